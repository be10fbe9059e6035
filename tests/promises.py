"""What Holdfast promises about durability, money and isolation: a sentence each, with an id.

A test carries the id of what it proves (`@pytest.mark.promise("paid-once")`);
`test_promises.py` fails when a promise has no test or a test names no promise.
"""

from __future__ import annotations

PROMISES = {
    "finished-step-never-reruns": "A step whose result was journaled never runs again, whatever kills the process.",
    "paid-once": "A model reply that was journaled is never asked or paid for again.",
    "crash-changes-nothing": "A run that was killed at any write ends with the result of an undisturbed one.",
    "acknowledged-survives": "What was acknowledged (a start, an answer, a cancellation, a result) survives a kill.",
    "terminal-never-changes": "A run that has ended never changes.",
    "one-worker": "A second process cannot work on a run whose lease is alive.",
    "fenced": "A process that lost its lease cannot write to the run.",
    "dead-noticed": "The runs of a process of this machine that died can be taken over at once.",
    "expired-taken-over": "The runs of a process whose lease expired can be taken over.",
    "one-winner": "Of many that try to take a run over at once, one does.",
    "edited-refused": "A run whose workflow file was edited is not resumed unless the caller says how.",
    "running-never-sees-edit": "A run goes on with the workflow it was started with.",
    "branches-replay": "Parallel branches replay to the same steps whatever order they finished in.",
    "waiting-is-free": "A run that waits for an answer holds no lease and no memory of the process.",
    "answered-once": "A question is answered once; a second answer is refused.",
    "cancel-reaches": "Cancelling reaches into the step that runs, also in another process.",
    "once-asks": "An at-most-once step that was under way at a crash is not run again unasked.",
    "full-disk-loses-nothing": "When the store fails the run stops, and goes on from there when it works again.",
    "sleep-not-longer": "A crash does not make a durable sleep longer.",
    "unknown-cost-is-unknown": "A call whose price or usage is unknown makes the cost unknown, never zero.",
    "extractor-is-labelled": "The built-in extractor is never passed off as a language model.",
    "keys-never-shown": "Provider keys appear in no output, log, error or store.",
    "checked-before-run": "A workflow with a mistake is refused before anything runs, all mistakes at once.",
    "tools-stay-inside": "A tool touches no file and no address outside what the settings allow.",
    "prompts-as-written": "A prompt is sent exactly as written.",
    "conditional-write": "Of concurrent writes that expect one version, exactly one succeeds.",
    "versions-grow": "Versions only grow, also across delete and re-create.",
    "logs-have-no-gaps": "Entries of a log are numbered without gaps and never rewritten.",
    "batch-is-atomic": "A batch is applied whole or not at all.",
    "expired-is-absent": "An expired record is absent to every reader from that millisecond on.",
    "claim-has-one-holder": "Of many that claim at once each gets a record of its own; a late holder is refused.",
    "changes-are-noticed": "A watcher misses no change, whoever makes it.",
    "power-cut-loses-nothing": "What was acknowledged survives a power cut.",
    "damage-is-noticed": "A byte that changed on the disk is noticed, and never read as something else.",
    "hand-edit-kept": "What a person edits by hand is taken in, or kept and reported.",
    "clones-merge": "Two clones of a store merge without a conflict to the same, whoever merges, and nothing is lost.",
    "newer-store-refused": "A store written by a newer version is refused and left as it is.",
}
