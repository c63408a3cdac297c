from __future__ import annotations

from dataclasses import replace

import pytest

from classifiers.export.litert_file import ALIGNMENT, exported_in, finished, litert_library
from classifiers.export.litert_session import LiteRtSession
from schemas.exports import METADATA_KEY
from tests.support.exports import LITERT, as_converted, litert_checkpoint, litert_fixture


def test_the_file_says_what_it_is() -> None:
    found = exported_in(litert_fixture("stream")[1])
    config = litert_checkpoint("stream").config
    assert (found.kind, found.model, found.precision) == ("stream", config.model, "fp32")
    assert (found.class_names, found.clips, found.weights_sha256) == (
        config.class_names,
        config.clips,
        config.weights_sha256,
    )
    assert (found.videos, found.frames) == (1, 1)
    assert found.versions.keys() == {"torch", "litert-torch", "litert-converter"}
    assert exported_in(litert_fixture("clip")[1]).frames is None


@pytest.mark.parametrize("name", sorted(LITERT))
def test_a_network_gets_names_and_metadata_and_stays_the_same(name: str) -> None:
    form, content = litert_fixture(name)
    exported = replace(exported_in(content), temperature=2.0)
    made = finished(as_converted(form, content), form, exported)
    assert exported_in(made) == exported
    interpreter = litert_library("interpreter").Interpreter(model_content=made)
    (signature,) = interpreter.get_signature_list().values()
    assert (signature["inputs"], signature["outputs"]) == (sorted(form.inputs), sorted(form.outputs))
    pictures = form.examples(1, 2)[0].numpy()
    assert (LiteRtSession(made).run(pictures)[0] == LiteRtSession(content).run(pictures)[0]).all()


def test_weights_are_aligned_as_the_schema_has_it() -> None:
    content = litert_fixture("clip")[1]
    schema = litert_library("schema")
    model = schema.Model.GetRootAs(content)
    buffers = [model.Buffers(place) for place in range(model.BuffersLength())]
    starts = [one._tab.Vector(one._tab.Offset(4)) for one in buffers if one.DataLength()]
    assert len(starts) > 10
    assert not any(start % ALIGNMENT for start in starts)
    names = [model.Metadata(place).Name().decode() for place in range(model.MetadataLength())]
    assert names.count(METADATA_KEY) == 1
