"""`tf.train.Example` without TensorFlow, which takes seconds to import: the same bytes, by the same protobuf."""

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "flowers_core"


@cache
def message() -> Any:
    """The class: `message().FromString(record).features.feature["image"].bytes_list.value[0]`.

    Numbers and names are those of TensorFlow's example.proto and feature.proto.
    """
    file = descriptor_pb2.FileDescriptorProto(name=f"{_PACKAGE}/example.proto", package=_PACKAGE, syntax="proto3")
    _message(file, "BytesList", ("value", 1, "BYTES", "REPEATED"))
    _message(file, "Int64List", ("value", 1, "INT64", "REPEATED"))
    _message(file, "FloatList", ("value", 1, "FLOAT", "REPEATED"))
    kinds = ("bytes_list", 1, "BytesList"), ("float_list", 2, "FloatList"), ("int64_list", 3, "Int64List")
    _message(file, "Feature", *kinds)
    features = _message(file, "Features", ("feature", 1, "Features.FeatureEntry", "REPEATED"))
    entry = _message(features, "FeatureEntry", ("key", 1, "STRING"), ("value", 2, "Feature"))
    entry.options.map_entry = True
    _message(file, "Example", ("features", 1, "Features"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Example"))


def _message(parent: Any, name: str, *fields: tuple) -> Any:
    """Adds a message to a file, or to the message it belongs to; fields are name, number, type and label."""
    kinds = descriptor_pb2.FieldDescriptorProto
    nested = parent.message_type if isinstance(parent, descriptor_pb2.FileDescriptorProto) else parent.nested_type
    message = nested.add(name=name)
    for name, number, kind, label in ((*field, "OPTIONAL")[:4] for field in fields):
        field = message.field.add(name=name, number=number, label=kinds.Label.Value(f"LABEL_{label}"))
        if kind.isupper():
            field.type = kinds.Type.Value(f"TYPE_{kind}")
        else:
            field.type, field.type_name = kinds.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
    return message
