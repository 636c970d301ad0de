"""croissant.json of a data set: MLCommons Croissant 1.0 [akhtar2024] with its fields for responsible
AI [jain2024]."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lvae.runs.cards import wording
from lvae.runs.cards.facts import CHECKSUMS, SetFacts, name
from lvae.runs.export import journal

NAME = "croissant.json"
_CONFORMS = ("http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0")
_KINDS = {
    ".png": "image/png",
    ".json": "application/json",
    ".npy": "application/x-npy",
    ".gz": "application/gzip",
    ".tar": "application/x-tar",
    ".parquet": "application/x-parquet",
}
_TERMS = (
    "citeAs column equivalentProperty extract field fileProperty fileObject fileSet format includes "
    "isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated replace "
    "samplingRate separator source subField transform"
)
CONTEXT = {  # the vocabulary's own, in full, so that a reader needs no network
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "sc": "https://schema.org/",
    **{term: f"cr:{term}" for term in _TERMS.split()},
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
}

_PRIVACY = "rai:personalSensitiveInformation"

Json = dict[str, Any]


def croissant(facts: SetFacts, packed: Mapping[str, str], sums: str) -> Json:
    """The description. packed: SHA-256 of every packed file. sums: of the list of checksums."""
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": list(_CONFORMS),
        "name": re.sub(r"[^\w.-]+", "-", name(facts)),
        "description": wording.described(facts),
        "license": wording.FILL_IN,
        "creator": {"@type": "sc:Organization", "name": wording.FILL_IN},
        "url": wording.FILL_IN,
        "version": "1.0.0",
        "isLiveDataset": False,
        "citeAs": f"Drawn by lvae {facts.version}: {facts.command}",
        "rai:dataCollection": f"{wording.sources(facts)} {wording.made(facts)}",
        "rai:dataCollectionType": "Others",
        "rai:dataCollectionMissingData": "Unknown: " + "; ".join(wording.UNKNOWN) + ".",
        "rai:dataPreprocessingProtocol": f"Drawn by: {facts.command}",
        "rai:dataAnnotationProtocol": "Labels are the model's own, of the same draw as the sample.",
        "rai:dataLimitations": " ".join(wording.LIMITS),
        "rai:dataBiases": "Those of the source recordings, which are not described here. "
        + wording.LIMITS[2],
        "rai:dataUseCases": f"{wording.USE} {wording.LIMITS[0]} {wording.LIMITS[1]}",
        _PRIVACY: [wording.made(facts), wording.privacy(facts)],
        "rai:dataSocialImpact": "A program that was trained on this set alone may fail on patients.",
        "distribution": [*_distribution(facts, packed, sums)],
        "recordSet": [*_record_sets(facts)],
    }


def with_audit(text: str, sentence: str) -> str | None:
    """A description with what an audit found in the place of what was known before; None where it
    has no such place, as its owner has changed it."""
    try:
        described = json.loads(text)
        made, _ = described[_PRIVACY]
    except (ValueError, KeyError, TypeError):
        return None
    described[_PRIVACY] = [made, sentence]
    return json.dumps(described, indent=2) + "\n"


def _distribution(facts: SetFacts, packed: Mapping[str, str], sums: str) -> Iterator[Json]:
    yield _file(f"{journal.FOLDER}/{CHECKSUMS}", sums, "text/plain")
    if facts.format == "webdataset":
        for name, digest in packed.items():
            yield _file(name, digest, _KINDS[".tar"])
        for suffix in facts.suffixes:
            archives = [{"@id": name} for name in packed]
            ending = _ending(suffix)
            yield _set(_id(suffix), [f"*{ending}"], ending) | {"containedIn": archives}
    elif facts.format == "parquet":
        for name, digest in packed.items():
            yield _file(name, digest, _KINDS[".parquet"])
        yield _set("table", facts.patterns[""], ".parquet")
    else:
        for suffix, globs in facts.patterns.items():
            yield _set(_id(suffix), globs, _ending(suffix))


def _record_sets(facts: SetFacts) -> Iterator[Json]:
    if facts.format == "parquet":
        yield _records("samples", [*_columns()])
        return
    for suffix in facts.suffixes:
        source = {"fileSet": {"@id": _id(suffix)}}
        own = f"samples-{_id(suffix)}"
        if _ending(suffix) == ".png":
            file = _field(own, "file", "sc:Text", source, {"fileProperty": "filename"})
            image = _field(own, "image", "sc:ImageObject", source, {"fileProperty": "content"})
            yield _records(own, [file, image])


def _columns() -> Iterator[Json]:
    """Of a table of grids, the one kind of table that is written."""
    source = {"fileSet": {"@id": "table"}}
    yield _field("samples", "id", "sc:Integer", source, {"column": "id"})
    for column, kind in (("points", "sc:Float"), ("visible", "sc:Boolean")):
        yield _field("samples", column, kind, source, {"column": column}) | {"repeated": True}
    image = _field("samples", "image", "sc:ImageObject", source, {"column": "image"})
    image["source"]["transform"] = {"jsonPath": "bytes"}
    yield image


def _file(name: str, digest: str, kind: str) -> Json:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "encodingFormat": kind,
        "sha256": digest,
    }


def _set(identity: str, globs: Sequence[str], ending: str) -> Json:
    return {
        "@type": "cr:FileSet",
        "@id": identity,
        "name": identity,
        "encodingFormat": _KINDS.get(ending, "application/octet-stream"),
        "includes": globs[0] if len(globs) == 1 else list(globs),
    }


def _records(identity: str, fields: list[Json]) -> Json:
    return {"@type": "cr:RecordSet", "@id": identity, "name": identity, "field": fields}


def _field(records: str, name: str, kind: str, source: Json, extract: Json) -> Json:
    return {
        "@type": "cr:Field",
        "@id": f"{records}/{name}",
        "name": name,
        "dataType": kind,
        "source": {**source, "extract": extract},
    }


def _ending(suffix: str) -> str:
    return "." + suffix.rpartition(".")[2]


def _id(suffix: str) -> str:
    """`_mov.png` -> `mov-png`."""
    return re.sub(r"[\W_]+", "-", suffix).strip("-")
