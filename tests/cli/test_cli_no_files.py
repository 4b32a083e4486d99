"""What is named as a file of Python and is none is refused at once, in a sentence."""

import os

import pytest

from seriatim._errors import InputError
from seriatim.cli._files import load_file


def test_a_named_pipe_is_not_waited_for_and_a_device_not_read(tmp_path):
    path = tmp_path / "model.py"
    os.mkfifo(path)
    with pytest.raises(InputError, match=r"it is a named pipe, not a regular file\); give the path of a Python file"):
        load_file(path)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(InputError, match="it is a device, not a regular file"):
        load_file(path)
    path.unlink()
    with pytest.raises(InputError, match=r"model\.py: no such file; give the path of a Python file of yours"):
        load_file(path)


def test_a_file_of_python_larger_than_any_is_not_read(tmp_path):
    path = tmp_path / "model.py"
    path.touch()
    os.truncate(path, 2**40)
    with pytest.raises(InputError, match="it has more than 16 MB, the most that is read of such a file"):
        load_file(path)
