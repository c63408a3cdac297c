import torch

from extractors.networks.batch_runner import BatchRunner


def runner(forward):
    made = BatchRunner(forward, shape=(4, 2), dtype=torch.float32, device=torch.device("cpu"))
    made.prepare()
    made.buffer.copy_(torch.arange(8.0).view(4, 2))
    return made


def test_short_batches_are_not_padded_where_results_are_the_same():
    sizes = []

    def forward(rows):
        sizes.append(len(rows))
        return rows * 2

    made = runner(forward)
    assert not made.runs_full
    torch.testing.assert_close(made.run(3), torch.arange(6.0).view(3, 2) * 2)
    assert sizes[-1] == 3


def test_short_batches_are_padded_where_results_would_differ():
    sizes = []

    def forward(rows):
        sizes.append(len(rows))
        return rows + len(rows) * 1e-3  # as a library does that takes another path for another size

    made = runner(forward)
    assert made.runs_full
    assert torch.equal(made.run(4)[:1], made.run(1))
    assert sizes[-1] == 4


def test_results_do_not_share_memory_with_the_buffer():
    made = runner(lambda rows: rows * 2)
    first = made.run(2)
    made.buffer.zero_()
    assert first.abs().sum() > 0
