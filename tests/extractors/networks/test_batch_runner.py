import pytest
import torch

from extractors.networks.batch_runner import RUNS_AHEAD, BatchRunner
from tests.support.devices import DEVICES

CPU = torch.device("cpu")


def runner(forward, device=CPU):
    made = BatchRunner(forward, shape=(4, 2), dtype=torch.float32, device=device)
    made.prepare()
    made.buffer.copy_(torch.arange(8.0).view(4, 2))
    return made


@pytest.mark.parametrize("device", DEVICES)
def test_groups_of_any_size_give_each_row_its_result_however_many_runs_are_queued(device):
    made = runner(lambda rows: rows @ torch.eye(2, device=device) * 2, device)
    assert (made.graph is not None) == (device.type == "cuda")
    rows = torch.arange(2.0 * 23).view(23, 2)
    results = list(made.results(iter(rows.split([1, 5, 2, 9, 6]))))
    assert [len(part) for part in results] == [4, 4, 4, 4, 4, 3]
    assert len(results) > RUNS_AHEAD
    assert torch.equal(torch.cat(results).cpu(), rows * 2)


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


@pytest.mark.parametrize("device", DEVICES)
def test_results_do_not_share_memory_with_the_buffer(device):
    made = runner(lambda rows: rows * 2, device)
    first = made.run(2)
    made.buffer.zero_()
    assert first.abs().sum() > 0


def test_a_network_has_run_once_it_is_prepared_even_if_the_answer_is_known():
    sizes = []

    def forward(rows):
        sizes.append(len(rows))
        return rows

    made = BatchRunner(forward, shape=(4, 2), dtype=torch.float32, device=CPU)
    made.prepare(lambda test: True)
    assert sizes == [1]
