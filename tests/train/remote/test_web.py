"""A set on a plain web server, which lists no folder, can be read, proved and copied from."""

import functools
import http.server
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from corpus.__main__ import main
from corpus.shards import ShardSet
from train import recipe, session


class _ListsNothing(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_) -> None: ...

    def list_directory(self, path):
        self.send_error(403, "no listing")


@pytest.fixture
def web(unbroken) -> Iterator[str]:
    """The address of the unbroken DATA folder."""
    handler = functools.partial(_ListsNothing, directory=str(unbroken.data))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def here(unbroken) -> ShardSet:
    return ShardSet.open(str(unbroken.data))


def test_rows_and_tokenizer_are_those_of_the_folder(web, here):
    there = ShardSet.open(f"{web}/shards/{here.id}")
    assert there.digest == here.digest
    assert there.tokenizer_files() == here.tokenizer_files()
    assert set(there.tokenizer_files()) == {"tokenizer.json", "tokenizer_config.json"}
    found, wanted = (
        shards.rows("wiki", "train", 64).take(np.arange(9)) for shards in (there, here)
    )
    assert (found.input_ids == wanted.input_ids).all()


def test_a_run_reads_it_through_its_cache(web, here, tmp_path):
    table = tmp_path / "model.toml"
    table.write_text(
        f'[data]\nrow_length = 64\n[model]\npreset = "nano"\n[schedule]\ntokens = 2048\n'
        "rows_per_step = 8\nmicro_batch = 8\npeak_learning_rate = 1e-3\n"
        f'[cache]\nfolder = "{tmp_path}/cache"\n'
    )
    streams = [
        session.bind(recipe.read(str(table)), ShardSet.open(url)).stream
        for url in (f"{web}/shards/{here.id}", here.url)
    ]
    there, wanted = (stream.batch(0, 8, rate=0.3).checksum() for stream in streams)
    assert there == wanted


def test_the_commands_read_it(web, here, capsys):
    url = f"{web}/shards/{here.id}"
    for arguments in (
        ["verify"],
        ["head", "--rows", "1"],
        ["trace", "--row", "0", "--row-length", "64"],
    ):
        said = []
        for place in (url, here.url):
            assert main([arguments[0], place, *arguments[1:]]) == 0
            said.append(capsys.readouterr().out.replace(place, "SET"))
        assert said[0] == said[1]


def test_what_is_not_there_is_said(web, capsys):
    for command in ("verify", "head"):
        assert main([command, f"{web}/shards/0123456789abcdef"]) == 2
        assert "0123456789abcdef: no finished set here" in capsys.readouterr().err
    with pytest.raises(ValueError, match="no finished shards here"):
        ShardSet.open(f"{web}/shards/0123456789abcdef")
