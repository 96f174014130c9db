# SPDX-License-Identifier: LGPL-2.1-or-later
"""Messages, and what they carry. A part of the overrides in AgentBus.py."""

import json
import math

from gi.repository import GLib

from ..module import get_introspection_module
from ..overrides import override

AgentBus = get_introspection_module('AgentBus')
OVERRIDES = 'gi.overrides.AgentBus'  # override() looks for the namespace there


def _explain(value, path, within):
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


def pack(value):
    """A payload of what JSON can say, or of bytes. A GLib.Variant stays itself, None is no payload.

    As in JSON, a tuple becomes a list and a number that is a key a string. What cannot be packed raises TypeError or
    ValueError, and says where it is.
    """
    if value is None or isinstance(value, GLib.Variant):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return GLib.Variant.new_from_bytes(GLib.VariantType('ay'), GLib.Bytes.new(bytes(value)), True)
    try:
        return AgentBus.payload_from_json(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError, GLib.Error) as error:
        try:
            _explain(value, 'payload', ())
        except (TypeError, ValueError) as reason:
            raise reason from None
        except RecursionError:
            pass
        raise ValueError(f'the payload cannot be packed: {getattr(error, "message", None) or error}') from None


def _enum(kind, value):
    """An enumeration's value by its nick: 'completed' for TaskStatus.COMPLETED."""
    return getattr(kind, value.upper().replace('-', '_')) if isinstance(value, str) else value


def _set(message, ttl=None, reliable=None, trace=None, cause=None, error_reply=None):
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
    return message


_new = AgentBus.Message


def _ending(new):
    return staticmethod(lambda source, target=None, reason=None, **options:
                        _set(new(source, target, reason), **options))


def _part(new):
    return staticmethod(lambda source, target, task_id, payload=None, **options:
                        _set(new(source, target, task_id, pack(payload)), **options))


def _answer(new):
    return staticmethod(lambda source, target, task_id, payload=None, status='completed', **options: _set(
        new(source, target, task_id, _enum(AgentBus.TaskStatus, status), pack(payload)), **options))


def _routed(kind):
    return staticmethod(lambda *args, **options: Message.routed(kind, *args, **options))


class _FrameOrNew:
    """`message.frame` is the frame of a message, `Message.frame()` makes a message of one."""

    def __get__(self, message, owner):
        return self.new if message is None else message.get_frame()

    @staticmethod
    def new(source, target, frame, direction='downstream', **options):
        return _set(_new.new_frame(source, target, frame, _enum(AgentBus.FrameDirection, direction)), **options)


class Message(AgentBus.Message):
    """Each type has a constructor of its name: Message.task_request('ui', 'worker', '1', payload={'x': 1}, ttl=500).

    Each takes the options ttl, reliable, trace, cause (a message) and error_reply. A payload is what JSON can say,
    or a GLib.Variant; `payload` gives it back as Python values.
    """

    __module__ = OVERRIDES

    end = _ending(_new.new_end)
    cancel = _ending(_new.new_cancel)
    task_update = _part(_new.new_task_update)
    task_update_urgent = _part(_new.new_task_update_urgent)
    task_stream_start = _part(_new.new_task_stream_start)
    task_stream_data = _part(_new.new_task_stream_data)
    task_stream_end = _part(_new.new_task_stream_end)
    task_response = _answer(_new.new_task_response)
    task_response_urgent = _answer(_new.new_task_response_urgent)
    request_inference = _routed('request-inference')
    request_inference_batch = _routed('request-inference-batch')
    flag_last_inference = _routed('flag-last-inference')
    model_handshake = _routed('model-handshake')
    model_version = _routed('model-version')
    model_update = _routed('model-update')
    send_trajectory = _routed('send-trajectory')
    shutdown = _routed('shutdown')
    frame = _FrameOrNew()

    @staticmethod
    def routed(kind, source, actor, payload=None, **options):
        return _set(_new.new_routed(_enum(AgentBus.MessageType, kind), source, actor, pack(payload)), **options)

    @staticmethod
    def activate(source, target=None, payload=None, **options):
        return _set(_new.new_activate(source, target, pack(payload)), **options)

    @staticmethod
    def deactivate(source, target=None, **options):
        return _set(_new.new_deactivate(source, target), **options)

    @staticmethod
    def agent_ready(info, **options):
        return _set(_new.new_agent_ready(info), **options)

    @staticmethod
    def agent_registry(source, target, runner, infos, **options):
        return _set(_new.new_agent_registry(source, target, runner, infos), **options)

    @staticmethod
    def agent_error(source, target, error, **options):
        return _set(_new.new_agent_error(source, target, error), **options)

    @staticmethod
    def task_request(source, target, task_id, name=None, payload=None, **options):
        return _set(_new.new_task_request(source, target, task_id, name, pack(payload)), **options)

    @staticmethod
    def task_update_request(source, target, task_id, **options):
        return _set(_new.new_task_update_request(source, target, task_id), **options)

    @staticmethod
    def task_cancel(source, target, task_id, reason=None, **options):
        return _set(_new.new_task_cancel(source, target, task_id, reason), **options)

    @staticmethod
    def custom(name, source, target=None, payload=None, channel='data', **options):
        return _set(_new.new_custom(name, _enum(AgentBus.Channel, channel), source, target, pack(payload)), **options)

    type = property(_new.get_message_type)
    reliable = property(_new.is_reliable)
    error_reply = property(_new.wants_error_reply)

    @property
    def payload(self):
        """Python values; NaN and infinity in a dict or list are None, since JSON has no word for them."""
        payload = self.get_payload()
        if payload is None:
            return None
        kind = payload.get_type_string()
        if kind in ('a{sv}', 'av'):
            return json.loads(self.dup_payload_json())  # text is several times faster than unpack()
        return payload.get_data_as_bytes().get_data() or b'' if kind == 'ay' else payload.unpack()

    def __repr__(self):
        return f'<AgentBus.Message {self.to_string()}>'


for _name in ('name', 'channel', 'source', 'target', 'seq', 'sent_at', 'direction', 'reason', 'task_id', 'task_name',
              'status', 'info', 'infos', 'runner', 'ttl', 'cause', 'trace'):
    setattr(Message, _name, property(getattr(_new, f'get_{_name}')))
Message = override(Message)


class Frame(AgentBus.Frame):
    __module__ = OVERRIDES

    def __repr__(self):
        data = self.get_data()
        return f'<AgentBus.Frame {self.get_id()} {self.get_kind()!r} {data.get_size() if data else 0} bytes>'


class Info(AgentBus.Info):
    __module__ = OVERRIDES

    def __repr__(self):
        return f'<AgentBus.Info {self.get_name()!r} of {self.get_runner()!r}>'


Frame, Info = override(Frame), override(Info)


