"""What the project uses of msgpack, which ships no types."""

from collections.abc import Callable
from typing import Any

class UnpackException(Exception): ...
class OutOfData(UnpackException): ...
class FormatError(ValueError, UnpackException): ...
class StackError(ValueError, UnpackException): ...
class BufferFull(UnpackException): ...

class ExtraData(ValueError):
    unpacked: Any
    extra: bytes

class Packer:
    def __init__(self, *, use_bin_type: bool = ..., autoreset: bool = ...) -> None: ...
    def pack(self, obj: object) -> bytes: ...
    def pack_array_header(self, size: int) -> bytes: ...
    def pack_map_header(self, size: int) -> bytes: ...

class Unpacker:
    def __init__(
        self,
        file_like: object = ...,
        *,
        raw: bool = ...,
        use_list: bool = ...,
        strict_map_key: bool = ...,
        max_buffer_size: int = ...,
        max_str_len: int = ...,
        max_bin_len: int = ...,
        max_array_len: int = ...,
        max_map_len: int = ...,
        max_ext_len: int = ...,
        object_pairs_hook: Callable[[list[tuple[Any, Any]]], Any] | None = ...,
    ) -> None: ...
    def feed(self, data: bytes | bytearray | memoryview) -> None: ...
    def unpack(self) -> Any: ...
    def skip(self) -> None: ...
    def tell(self) -> int: ...

def packb(o: object, *, use_bin_type: bool = ...) -> bytes: ...
def unpackb(
    packed: bytes | bytearray | memoryview,
    *,
    raw: bool = ...,
    use_list: bool = ...,
    strict_map_key: bool = ...,
    max_str_len: int = ...,
    max_bin_len: int = ...,
    max_array_len: int = ...,
    max_map_len: int = ...,
    max_ext_len: int = ...,
) -> Any: ...
