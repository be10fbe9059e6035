"""What went wrong in a trace and where its time went: values in, values out."""
