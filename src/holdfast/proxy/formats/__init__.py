"""What foreign clients speak. Each face turns it into the chat form inside Holdfast and back."""
