"""What all tests share."""

from tensorboard.summary.writer import event_file_writer

# TensorBoard reads the event files of a folder in the order of their names, which end with the
# second, the process and a count. A test goes on with a training within its second, and there
# the ninth file of a process would come after the tenth: we count from a number with more digits.
event_file_writer._global_uid = event_file_writer.AtomicCounter(10_000)
