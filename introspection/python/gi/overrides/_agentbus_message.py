# SPDX-License-Identifier: LGPL-2.1-or-later
"""Messages, and what they carry. A part of the overrides in AgentBus.py."""

from __future__ import annotations

import json
import math
import operator
import typing

from gi.repository import GLib

from ..module import get_introspection_module
from ..overrides import override

if typing.TYPE_CHECKING:
    from gi.repository import AgentBus
    from gi.repository.AgentBus import Channel, DropReason, FrameDirection, MessageType, TaskStatus
else:
    AgentBus = get_introspection_module('AgentBus')

OVERRIDES = 'gi.overrides.AgentBus'  # override() looks for the namespace there


T = typing.TypeVar('T')


class Fate(typing.NamedTuple):
    """How many subscribers accepted a message, or why it was dropped: None if any did."""
    n_accepted: int
    reason: typing.Optional[DropReason]


def _explain(value: typing.Any, path: str, within: typing.Tuple[int, ...]) -> None:
    """Raises what says where in a payload the reason is for which it cannot be packed; returns if none is seen."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f'{path} is {value}, which cannot be in a payload')
    if isinstance(value, int) and not -2**63 <= value < 2**63:
        raise ValueError(f'{path} is an integer of more than 64 bits')
    if value is None or isinstance(value, (bool, int, float)):
        return
    if isinstance(value, str):
        if '\0' in value or any('\ud800' <= c <= '\udfff' for c in value):
            raise ValueError(f'{path} has a NUL character or half of a surrogate pair')
        return
    if not isinstance(value, (dict, list, tuple)):
        raise TypeError(f'{path} is of type {type(value).__name__}, which cannot be in a payload')
    if id(value) in within:
        raise ValueError(f'{path} contains itself')
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(value, dict) and not isinstance(key, (str, int, float, bool, type(None))):
            raise TypeError(f'{path} has a key of type {type(key).__name__}: {key!r}')
        _explain(key, f'a key of {path}', ())
        _explain(item, f'{path}[{key!r}]', (*within, id(value)))


_encode = json.JSONEncoder(allow_nan=False).encode  # json.dumps() would make a new encoder for each call


def refuse(value: typing.Any, error: Exception) -> typing.NoReturn:
    """Raises what says best why a value cannot be packed."""
    try:
        _explain(value, 'payload', ())
    except (TypeError, ValueError) as reason:
        raise reason from None
    except RecursionError:
        pass
    raise ValueError(f'the payload cannot be packed: {getattr(error, "message", None) or error}') from None


_REFUSED = (TypeError, ValueError, RecursionError, GLib.Error)
_BYTES = (bytes, bytearray, memoryview)
_PACKED = (GLib.Variant, *_BYTES)  # what is no JSON


def pack(value: typing.Any) -> typing.Optional[GLib.Variant]:
    """A payload of what JSON can say, or of bytes. A GLib.Variant stays itself, None is no payload.

    As in JSON, a tuple becomes a list and a number that is a key a string. What cannot be packed raises TypeError or
    ValueError, and says where it is.
    """
    if value is None or isinstance(value, GLib.Variant):
        return value
    if isinstance(value, _BYTES):
        return GLib.Variant.new_from_bytes(GLib.VariantType('ay'), GLib.Bytes.new(bytes(value)), True)
    try:
        return AgentBus.payload_from_json(_encode(value))
    except _REFUSED as error:
        refuse(value, error)


def is_json(value: typing.Any) -> bool:
    """Whether what pack() makes of a value is JSON."""
    return value is not None and not isinstance(value, _PACKED)


def encode(value: typing.Any) -> str:
    """A value as JSON text. What cannot be packed raises TypeError or ValueError, as in pack()."""
    try:
        return _encode(value)
    except _REFUSED as error:
        refuse(value, error)


def unpack(payload: typing.Optional[GLib.Variant]) -> typing.Any:
    """Python values of a payload; NaN and infinity in a dict or list are None, since JSON has no word for them."""
    if payload is None:
        return None
    kind = payload.get_type_string()
    if kind in ('a{sv}', 'av'):
        return json.loads(AgentBus.payload_to_json(payload))  # text is several times faster than unpack()
    return payload.get_data_as_bytes().get_data() or b'' if kind == 'ay' else payload.unpack()


def _carry(payload: typing.Any, make: typing.Callable[..., typing.Any], *arguments: typing.Any) -> typing.Any:
    """A message that make() makes of the arguments and the payload. What pack() would make JSON of travels as text."""
    if not is_json(payload):
        return make(*arguments, pack(payload))
    text = encode(payload)
    message = make(*arguments, None)
    try:
        message.set_payload_json(text)
    except GLib.Error as error:
        refuse(payload, error)
    return message


def enum(kind: typing.Any, value: typing.Any) -> typing.Any:
    """An enumeration's value by its nick: 'completed' for TaskStatus.COMPLETED."""
    if not isinstance(value, str):
        return value
    for found in kind.__enum_values__.values():
        if found.value_nick == value.replace('_', '-'):
            return found
    nicks = ', '.join(found.value_nick for found in kind.__enum_values__.values())
    raise ValueError(f'{value!r} is none of {nicks}')


def whole(value: typing.Any, what: str) -> int:
    """A number for C, which would cut off a fraction."""
    try:
        return operator.index(value)
    except TypeError:
        if isinstance(value, float) and value.is_integer():
            return int(value)
    if isinstance(value, float):
        raise ValueError(f'{what} is {value}, and has to be a whole number')
    raise TypeError(f'{what} has to be a whole number, not {value!r}')


class attribute(typing.Generic[T]):
    """A property for reading. A subclass of the application may set an attribute of this name, as before there was one."""

    def __init__(self, get: typing.Callable[[typing.Any], T]) -> None:
        self.get = get
        self.__doc__ = get.__doc__

    def __get__(self, thing: typing.Any, owner: typing.Any = None) -> T:
        return typing.cast(T, self) if thing is None else self.get(thing)


class number(attribute[int]):
    """One for a whole number, that can be set."""

    def __init__(self, get: typing.Callable[[typing.Any], int], set: typing.Callable[[typing.Any, int], None]) -> None:
        super().__init__(get)
        self.set = set

    def __set_name__(self, owner: typing.Any, name: str) -> None:
        self.name = name

    def __set__(self, instance: typing.Any, value: typing.Any) -> None:
        self.set(instance, whole(value, self.name))


def check_names(names: typing.Mapping[str, typing.Optional[str]], optional: typing.Optional[str] = None) -> None:
    """For a name that is missing C would only log, and return nothing."""
    for what, name in names.items():
        if not name:
            raise ValueError(f'{what} is missing: it has to be a string that is not empty')
    if optional == '':
        raise ValueError('target is empty: leave it out, or None, for a message to all')


def _set(message: typing.Any, ttl: typing.Optional[int] = None, reliable: typing.Optional[bool] = None,
         trace: typing.Optional[str] = None, cause: typing.Optional[typing.Any] = None,
         error_reply: typing.Optional[bool] = None, topic: typing.Optional[str] = None,
         retained: typing.Optional[bool] = None,
         conversation: typing.Optional[AgentBus.Conversation] = None, **unknown: typing.Any) -> typing.Any:
    if unknown:
        raise TypeError(f'a message has no option {next(iter(unknown))!r}')
    if ttl is not None:
        message.set_ttl(ttl)
    if reliable is not None:
        message.set_reliable(reliable)
    if trace is not None:
        message.set_trace(trace)
    if cause is not None:
        message.set_cause(cause)
    if error_reply is not None:
        message.set_error_reply(error_reply)
    if topic is not None:
        message.set_topic(topic)
    if retained is not None:
        message.set_retained(retained)
    if conversation is not None:
        message.set_conversation(conversation)
    return message


_new: typing.Any = AgentBus.Message


class _FrameOrNew:
    """`message.frame` is the frame of a message, `Message.frame()` makes a message of one."""

    @typing.overload
    def __get__(self, message: None, owner: typing.Any) -> typing.Callable[..., Message]: ...

    @typing.overload
    def __get__(self, message: Message, owner: typing.Any) -> typing.Optional[Frame]: ...

    def __get__(self, message: typing.Any, owner: typing.Any) -> typing.Any:
        return self.new if message is None else message.get_frame()

    @staticmethod
    def new(source: str, target: typing.Optional[str], frame: Frame,
            direction: typing.Union[FrameDirection, str] = 'downstream', **options: typing.Any) -> Message:
        """Makes a message of a frame."""
        check_names({'source': source}, target)
        return _set(_new.new_frame(source, target, frame, enum(AgentBus.FrameDirection, direction)), **options)


class Message(AgentBus.Message):
    """Each type has a constructor of its name: Message.task_request('ui', 'worker', '1', payload={'x': 1}, ttl=500).

    Each takes the options ttl, reliable, trace, cause (a message), error_reply, topic, retained and conversation. A payload
    is what JSON can say, or a GLib.Variant; `payload` gives it back as Python values.
    """

    __module__ = OVERRIDES

    @staticmethod
    def end(source: str, target: typing.Optional[str] = None, reason: typing.Optional[str] = None,
            **options: typing.Any) -> Message:
        """Asks the target to end what it does, in order."""
        check_names({'source': source}, target)
        return _set(_new.new_end(source, target, reason), **options)

    @staticmethod
    def cancel(source: str, target: typing.Optional[str] = None, reason: typing.Optional[str] = None,
               **options: typing.Any) -> Message:
        """Cancels all that the target does."""
        check_names({'source': source}, target)
        return _set(_new.new_cancel(source, target, reason), **options)

    @staticmethod
    def task_update(source: str, target: typing.Optional[str], task_id: typing.Optional[str],
                    payload: typing.Any = None,
                    **options: typing.Any) -> Message:
        """Tells how far a task is."""
        check_names({'source': source, 'task_id': task_id}, target)
        return _set(_carry(payload, _new.new_task_update, source, target, task_id), **options)

    @staticmethod
    def task_update_urgent(source: str, target: typing.Optional[str], task_id: typing.Optional[str],
                           payload: typing.Any = None,
                           **options: typing.Any) -> Message:
        """The same on the system channel."""
        check_names({'source': source, 'task_id': task_id}, target)
        return _set(_carry(payload, _new.new_task_update_urgent, source, target, task_id), **options)

    @staticmethod
    def task_stream_start(source: str, target: typing.Optional[str], task_id: typing.Optional[str],
                          payload: typing.Any = None,
                          **options: typing.Any) -> Message:
        """Begins a stream of a task."""
        check_names({'source': source, 'task_id': task_id}, target)
        return _set(_carry(payload, _new.new_task_stream_start, source, target, task_id), **options)

    @staticmethod
    def task_stream_data(source: str, target: typing.Optional[str], task_id: typing.Optional[str],
                         payload: typing.Any = None,
                         **options: typing.Any) -> Message:
        """The next part of a stream."""
        check_names({'source': source, 'task_id': task_id}, target)
        return _set(_carry(payload, _new.new_task_stream_data, source, target, task_id), **options)

    @staticmethod
    def task_stream_end(source: str, target: typing.Optional[str], task_id: typing.Optional[str],
                        payload: typing.Any = None,
                        **options: typing.Any) -> Message:
        """Ends a stream of a task."""
        check_names({'source': source, 'task_id': task_id}, target)
        return _set(_carry(payload, _new.new_task_stream_end, source, target, task_id), **options)

    @staticmethod
    def task_response(source: str, target: typing.Optional[str], task_id: typing.Optional[str],
                      payload: typing.Any = None,
                      status: typing.Union[TaskStatus, str] = 'completed', **options: typing.Any) -> Message:
        """Tells what came of a task."""
        check_names({'source': source, 'task_id': task_id}, target)
        status = enum(AgentBus.TaskStatus, status)
        return _set(_carry(payload, _new.new_task_response, source, target, task_id, status), **options)

    @staticmethod
    def task_response_urgent(source: str, target: typing.Optional[str], task_id: typing.Optional[str],
                             payload: typing.Any = None,
                             status: typing.Union[TaskStatus, str] = 'completed', **options: typing.Any) -> Message:
        """The same on the system channel."""
        check_names({'source': source, 'task_id': task_id}, target)
        status = enum(AgentBus.TaskStatus, status)
        return _set(_carry(payload, _new.new_task_response_urgent, source, target, task_id, status), **options)

    @staticmethod
    def task_request(source: str, target: typing.Optional[str], task_id: typing.Optional[str],
                     name: typing.Optional[str] = None,
                     payload: typing.Any = None, **options: typing.Any) -> Message:
        """Asks the target to do a task."""
        check_names({'source': source, 'task_id': task_id}, target)
        return _set(_carry(payload, _new.new_task_request, source, target, task_id, name), **options)

    @staticmethod
    def task_update_request(source: str, target: typing.Optional[str], task_id: typing.Optional[str],
                            **options: typing.Any) -> Message:
        """Asks how far a task is."""
        check_names({'source': source, 'task_id': task_id}, target)
        return _set(_new.new_task_update_request(source, target, task_id), **options)

    @staticmethod
    def task_cancel(source: str, target: typing.Optional[str], task_id: typing.Optional[str],
                    reason: typing.Optional[str] = None,
                    **options: typing.Any) -> Message:
        """Cancels one task."""
        check_names({'source': source, 'task_id': task_id}, target)
        return _set(_new.new_task_cancel(source, target, task_id, reason), **options)

    @staticmethod
    def activate(source: str, target: typing.Optional[str] = None, payload: typing.Any = None,
                 **options: typing.Any) -> Message:
        """Activates an agent."""
        check_names({'source': source}, target)
        return _set(_carry(payload, _new.new_activate, source, target), **options)

    @staticmethod
    def deactivate(source: str, target: typing.Optional[str] = None, **options: typing.Any) -> Message:
        """Deactivates an agent."""
        check_names({'source': source}, target)
        return _set(_new.new_deactivate(source, target), **options)

    @staticmethod
    def agent_ready(info: Info, **options: typing.Any) -> Message:
        """Tells all that an agent is ready."""
        return _set(_new.new_agent_ready(info), **options)

    @staticmethod
    def agent_registry(source: str, target: typing.Optional[str], runner: str, infos: typing.Sequence[Info],
                       **options: typing.Any) -> Message:
        """Tells which agents a runner has."""
        check_names({'source': source}, target)
        return _set(_new.new_agent_registry(source, target, runner, infos), **options)

    @staticmethod
    def agent_error(source: str, target: typing.Optional[str], error: str, **options: typing.Any) -> Message:
        """Tells that an agent failed."""
        check_names({'source': source}, target)
        return _set(_new.new_agent_error(source, target, error), **options)

    @staticmethod
    def custom(name: str, source: str, target: typing.Optional[str] = None, payload: typing.Any = None,
               channel: typing.Union[Channel, str] = 'data', **options: typing.Any) -> Message:
        """A message of the application's own type."""
        check_names({'name': name, 'source': source}, target)
        return _set(_carry(payload, _new.new_custom, name, enum(AgentBus.Channel, channel), source, target), **options)

    @staticmethod
    def routed(kind: typing.Union[MessageType, str], source: str, actor: str, payload: typing.Any = None,
               **options: typing.Any) -> Message:
        """A message that a dispatcher brings to an actor."""
        check_names({'source': source, 'actor': actor})
        return _set(_carry(payload, _new.new_routed, enum(AgentBus.MessageType, kind), source, actor), **options)

    @staticmethod
    def request_inference(source: str, actor: str, payload: typing.Any = None, **options: typing.Any) -> Message:
        """REQUEST_INFERENCE, for a dispatcher."""
        check_names({'source': source, 'actor': actor})
        return _set(_carry(payload, _new.new_routed, AgentBus.MessageType.REQUEST_INFERENCE, source, actor), **options)

    @staticmethod
    def request_inference_batch(source: str, actor: str, payload: typing.Any = None, **options: typing.Any) -> Message:
        """REQUEST_INFERENCE_BATCH, for a dispatcher."""
        check_names({'source': source, 'actor': actor})
        return _set(
            _carry(payload, _new.new_routed, AgentBus.MessageType.REQUEST_INFERENCE_BATCH, source, actor), **options)

    @staticmethod
    def flag_last_inference(source: str, actor: str, payload: typing.Any = None, **options: typing.Any) -> Message:
        """FLAG_LAST_INFERENCE, for a dispatcher."""
        check_names({'source': source, 'actor': actor})
        return _set(
            _carry(payload, _new.new_routed, AgentBus.MessageType.FLAG_LAST_INFERENCE, source, actor), **options)

    @staticmethod
    def model_handshake(source: str, actor: str, payload: typing.Any = None, **options: typing.Any) -> Message:
        """MODEL_HANDSHAKE, for a dispatcher."""
        check_names({'source': source, 'actor': actor})
        return _set(_carry(payload, _new.new_routed, AgentBus.MessageType.MODEL_HANDSHAKE, source, actor), **options)

    @staticmethod
    def model_version(source: str, actor: str, payload: typing.Any = None, **options: typing.Any) -> Message:
        """MODEL_VERSION, for a dispatcher."""
        check_names({'source': source, 'actor': actor})
        return _set(_carry(payload, _new.new_routed, AgentBus.MessageType.MODEL_VERSION, source, actor), **options)

    @staticmethod
    def model_update(source: str, actor: str, payload: typing.Any = None, **options: typing.Any) -> Message:
        """MODEL_UPDATE, for a dispatcher."""
        check_names({'source': source, 'actor': actor})
        return _set(_carry(payload, _new.new_routed, AgentBus.MessageType.MODEL_UPDATE, source, actor), **options)

    @staticmethod
    def send_trajectory(source: str, actor: str, payload: typing.Any = None, **options: typing.Any) -> Message:
        """SEND_TRAJECTORY, for a dispatcher."""
        check_names({'source': source, 'actor': actor})
        return _set(_carry(payload, _new.new_routed, AgentBus.MessageType.SEND_TRAJECTORY, source, actor), **options)

    @staticmethod
    def shutdown(source: str, actor: str, payload: typing.Any = None, **options: typing.Any) -> Message:
        """SHUTDOWN, for a dispatcher."""
        check_names({'source': source, 'actor': actor})
        return _set(_carry(payload, _new.new_routed, AgentBus.MessageType.SHUTDOWN, source, actor), **options)

    @staticmethod
    def hand_off(source: str, actor: str, payload: typing.Any = None, **options: typing.Any) -> Message:
        """HAND_OFF, for a dispatcher, which sends them itself as well."""
        check_names({'source': source, 'actor': actor})
        return _set(_new.new_routed(AgentBus.MessageType.HAND_OFF, source, actor, pack(payload)), **options)

    def copy(self, *, source: typing.Optional[str] = None, target: typing.Any = ...,
             **options: typing.Any) -> Message:
        """The same once more, not sent yet; with another source, target (None for everybody) or options, if given."""
        target = self.get_target() if target is ... else target
        check_names({} if source is None else {'source': source}, target)
        return _set(self.copy_full(source, target), **options)

    frame = _FrameOrNew()

    name = property(_new.get_name)
    type = property(_new.get_message_type)
    channel = property(_new.get_channel)
    source = property(_new.get_source)
    target = property(_new.get_target)
    seq = property(_new.get_seq)
    sent_at = property(_new.get_sent_at)
    direction = property(_new.get_direction)
    reason = property(_new.get_reason)
    task_id = property(_new.get_task_id)
    task_name = property(_new.get_task_name)
    status = property(_new.get_status)
    info = property(_new.get_info)
    infos = property(_new.get_infos)
    runner = property(_new.get_runner)
    ttl = property(_new.get_ttl)
    cause = property(_new.get_cause)
    trace = property(_new.get_trace)
    conversation = property(_new.get_conversation)
    epoch = property(_new.get_epoch)
    reliable = property(_new.is_reliable)
    error_reply = property(_new.wants_error_reply)
    topic = property(_new.get_topic)
    retained = property(_new.is_retained)

    @property
    def fate(self) -> typing.Optional[Fate]:
        """What became of it when it was sent, if this is the copy of a monitor: Fate(n_accepted=0, reason=...)."""
        known, n_accepted, reason = self.get_fate()
        return Fate(n_accepted, None if n_accepted else reason) if known else None

    def set_topic(self, topic: typing.Optional[str] = None) -> None:
        """Whom a message to all goes to: those who have a pattern for this topic, such as 'audio.mic.1'."""
        if topic is not None and not AgentBus.topic_is_valid(topic):
            raise ValueError(f'{topic!r} is no topic')
        super().set_topic(topic)

    def set_ttl(self, ttl: int) -> None:
        """Milliseconds after which the message is not wanted any more; a whole number."""
        super().set_ttl(whole(ttl, 'ttl'))

    @property
    def payload(self) -> typing.Any:
        """Python values; NaN and infinity in a dict or list are None, since JSON has no word for them."""
        if self.has_payload_json():
            return json.loads(self.get_payload_json() or 'null')
        return unpack(self.get_payload())

    def __repr__(self) -> str:
        return f'<AgentBus.Message {self.to_string()}>'


Message = override(Message)  # type: ignore[misc]


class Frame(AgentBus.Frame):
    """Frame('audio', b'12', {'rate': 16000}): data is bytes or GLib.Bytes, metadata a dict or GLib.Variant."""

    __module__ = OVERRIDES

    def __new__(cls, kind: str, data: typing.Union[bytes, bytearray, memoryview, GLib.Bytes, None] = None,
                metadata: typing.Union[typing.Mapping[str, typing.Any], GLib.Variant, None] = None) -> Frame:
        check_names({'kind': kind})
        if metadata is not None and not isinstance(metadata, GLib.Variant):
            metadata = pack(dict(metadata))
        frame: typing.Any
        if data is None or isinstance(data, GLib.Bytes):
            frame = AgentBus.Frame.new(kind, data, metadata)
        else:
            # Not of data itself: bytes(5) is five zeros.
            frame = AgentBus.Frame.new_copy(kind, bytes(memoryview(data)), metadata)
        return frame

    id = property(AgentBus.Frame.get_id)
    kind = property(AgentBus.Frame.get_kind)
    pts = property(AgentBus.Frame.get_pts, AgentBus.Frame.set_pts)

    @property
    def data(self) -> typing.Optional[bytes]:
        """A copy of the data, or None."""
        contents = self.get_contents()
        return None if not contents and self.get_data() is None else contents

    @property
    def metadata(self) -> typing.Any:
        """A dict, or None."""
        metadata = self.get_metadata()
        return None if metadata is None else metadata.unpack()

    def __repr__(self) -> str:
        data = self.get_data()
        return f'<AgentBus.Frame {self.get_id()} {self.get_kind()!r} {data.get_size() if data else 0} bytes>'


class Info(AgentBus.Info):
    """Info('worker', 'runner', parent=None, active=True, bridged=False, started_at=0)."""

    __module__ = OVERRIDES

    def __new__(cls, name: str, runner: str = '', parent: typing.Optional[str] = None, active: bool = True,
                bridged: bool = False, started_at: int = 0) -> Info:
        check_names({'name': name})
        info: typing.Any = AgentBus.Info.new(name, runner, parent, active, bridged, started_at)
        return info

    name = property(AgentBus.Info.get_name)
    runner = property(AgentBus.Info.get_runner)
    parent = property(AgentBus.Info.get_parent)
    active = property(AgentBus.Info.is_active)
    bridged = property(AgentBus.Info.is_bridged)
    started_at = property(AgentBus.Info.get_started_at)

    def __repr__(self) -> str:
        return f'<AgentBus.Info {self.get_name()!r} of {self.get_runner()!r}>'


class Conversation(AgentBus.Conversation):
    """Conversation(id=None): a new one, or the living one of that id."""

    __module__ = OVERRIDES

    def __new__(cls, id: typing.Optional[str] = None) -> Conversation:
        if id == '':
            raise ValueError('id is empty: leave it out, or None, for a new one')
        conversation: typing.Any = AgentBus.Conversation.new(id)
        return conversation

    def __init__(self, id: typing.Optional[str] = None) -> None:
        pass  # it is there already

    id = attribute(AgentBus.Conversation.get_id)
    epoch = attribute(AgentBus.Conversation.get_epoch)

    def __repr__(self) -> str:
        return f'<AgentBus.Conversation {self.get_id()!r}, epoch {self.get_epoch()}>'


Frame, Info, Conversation = override(Frame), override(Info), override(Conversation)  # type: ignore[misc]
