"""The one tree of errors. Each says what is wrong, where, and how to mend it (design 6.3).

`slug` names the error in problem+json, logs and exit codes; `status` is what HTTP answers with.
Adapters translate what their vendor raises into one of these, `from` the cause.
"""

from __future__ import annotations

from typing import ClassVar


class DissonanceError(Exception):
    """Root of everything this system raises on purpose. `exit_code`: of a command that it ends (docs/api.md).

    >>> str(UnknownTask("no task is named 'x'", where="task", fix="list them: dissonance task list"))
    "no task is named 'x' (task). How to mend it: list them: dissonance task list"
    """

    slug: ClassVar[str] = "error"
    title: ClassVar[str] = "Something went wrong"
    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.what = what
        self.where = where
        self.fix = fix
        super().__init__(what)

    def __str__(self) -> str:
        where = f" ({self.where})" if self.where else ""
        fix = f". How to mend it: {self.fix}" if self.fix else ""
        return f"{self.what}{where}{fix}"


class ConfigurationError(DissonanceError):
    """A setting is missing, unknown or contradicts another; nothing was started."""

    slug, title, exit_code = "configuration", "The configuration is not usable", 2


class ContractError(DissonanceError):
    """Bytes that claim to be an event and are not one of ours; never retried."""

    slug, title = "contract", "A message does not follow its contract"


class MalformedEvent(ContractError):
    slug = "malformed-event"


class UnknownSchemaVersion(ContractError):
    slug = "unknown-schema-version"


class InputError(DissonanceError):
    """What a caller sent cannot be answered; nothing of it was kept."""

    slug, title, status, exit_code = "input", "The request cannot be answered", 422, 3


class MalformedBody(InputError):
    slug, title, status = "malformed-body", "The body is not what this route reads", 400


class BodyTooLarge(InputError):
    slug, title, status = "body-too-large", "The body is too large", 413


class HeadTooLarge(InputError):
    slug, title, status = "head-too-large", "The head of the request is too large", 431


class UnsupportedMediaType(InputError):
    slug, title, status = "unsupported-media-type", "The body is not of a media type that this route reads", 415


class UnknownRoute(InputError):
    slug, title, status = "unknown-route", "There is no such address", 404


class MethodNotAllowed(InputError):
    slug, title, status = "method-not-allowed", "The address does not take this method", 405


class TooManyRows(InputError):
    slug, title, status = "too-many-rows", "Too many rows in one request", 413


class UnknownTask(InputError):
    """`name` that was asked for. Others are never named with it here: who asks may not know of them."""

    slug, title, status = "unknown-task", "There is no such task", 404

    def __init__(self, what: str, *, where: str = "", fix: str = "", name: str = "") -> None:
        super().__init__(what, where=where, fix=fix)
        self.name = name


class TaskExists(InputError):
    slug, title, status = "task-exists", "A task of this name exists", 409


class TaskNotNamed(InputError):
    slug, title = "task-not-named", "The request does not say which task it is for"


class UnknownField(InputError):
    slug, title = "unknown-field", "A field is not in the task's schema"


class MissingField(InputError):
    slug, title = "missing-field", "A field of the task's schema is missing"


class WrongType(InputError):
    slug, title = "wrong-type", "A value has the wrong type"


class NotFinite(InputError):
    slug, title = "not-finite", "A number is NaN or infinite where that is not allowed"


class UnseenCategory(InputError):
    slug, title = "unseen-category", "A category was never seen in the reference data"


class UnknownClass(InputError):
    slug, title = "unknown-class", "A label is not one of the task's classes"


class UnknownPrediction(InputError):
    slug, title, status = "unknown-prediction", "A prediction id is not known", 404


class UnknownWindow(InputError):
    slug, title, status = "unknown-window", "There is no such window", 404


class UnknownRequest(InputError):
    slug, title, status = "unknown-request", "There is no such label request", 404


class UnknownDecision(InputError):
    slug, title, status = "unknown-decision", "There is no such decision", 404


class UnknownKey(InputError):
    slug, title, status = "unknown-key", "There is no such key", 404


class KeyInUse(InputError):
    """Without it something could not be opened any more; nothing was changed."""

    slug, title, status = "key-in-use", "The key is still needed", 409


class RequestNotHeld(InputError):
    slug, title, status = "request-not-held", "You do not hold this label request", 409


class IdempotencyConflict(InputError):
    slug, title, status = "idempotency-conflict", "The idempotency key was used with another body", 409


class InvalidDataFile(InputError):
    slug, title = "invalid-data-file", "The data file cannot be used"


class MalformedRow(InputError):
    slug, title = "malformed-row", "A line of the file is no row"


class ScoringConflict(InputError):
    """Something else was scored to the same place before, and is not finished or is still there."""

    slug, title, status = "scoring-conflict", "The scoring that was begun is of something else", 409


class RowsRefused(InputError):
    """Rows of the pipeline failed their checks; none of them was learnt from."""

    slug, title = "rows-refused", "The rows do not fit the task"


class PipelineBusy(InputError):
    """One run of a task's pipeline at a time; or a step was asked for before those that it needs."""

    slug, title, status = "pipeline-busy", "The pipeline of this task cannot do that now", 409


class HoldoutLeak(InputError):
    slug, title = "holdout-leak", "Rows of the golden holdout are in the training data"


class PolicyInvalid(InputError):
    slug, title = "policy-invalid", "The policy is not valid"


class PolicyConflict(InputError):
    slug, title, status = "policy-conflict", "The policy was changed meanwhile", 409


class AccessError(DissonanceError):
    slug, title, status, exit_code = "access", "Access denied", 403, 4


class Unauthenticated(AccessError):
    """`reason` is for the log, never for whoever asks."""

    slug, title, status = "unauthenticated", "No valid token came with the request", 401

    def __init__(self, what: str, *, where: str = "", fix: str = "", reason: str = "") -> None:
        super().__init__(what, where=where, fix=fix)
        self.reason = reason


class Forbidden(AccessError):
    slug, title, status = "forbidden", "The token does not carry the permission", 403


class TooMany(DissonanceError):
    """More was asked than is taken at once; the same call may succeed later."""

    slug, title, status, exit_code = "too-many", "More was asked than is taken at once", 429, 5

    def __init__(self, what: str, *, where: str = "", fix: str = "", retry_after_s: float = 1.0) -> None:
        super().__init__(what, where=where, fix=fix)
        self.retry_after_s = retry_after_s


class Overloaded(TooMany):
    """What waits already is as much as may wait; nothing of the request was kept."""

    slug, title = "overloaded", "The queue is full"


class RateLimited(TooMany):
    slug, title = "rate-limited", "The caller asks faster than it may"


class LockedOut(TooMany):
    """Authentication failed again and again, from this address or with this credential."""

    slug, title, exit_code = "locked-out", "Authentication failed too often", 4


class EngineError(DissonanceError):
    slug, title, status, exit_code = "engine", "An engine failed", 500, 5


class EngineUnavailable(EngineError):
    """Not reachable now; the same call may succeed later. Roles wait and try again on this one."""

    slug, title, status = "engine-unavailable", "An engine is not reachable", 503


class EngineUntrusted(EngineUnavailable):
    """What answers at the address of an engine does not show who it is, or not by TLS 1.3; nothing was said to it."""

    slug, title = "engine-untrusted", "An engine does not show who it is"


class IssuerUnavailable(EngineError):
    """An issuer of tokens cannot be asked for its keys, or publishes what is none; the keys it had stay in use."""

    slug, title, status = "issuer-unavailable", "An issuer of tokens cannot be read", 503


class StreamFull(EngineUnavailable):
    """The broker takes no more events of a kind: whoever works on them is too far behind, or they are kept too long."""

    slug, title = "stream-full", "The broker has no room for more events"


class RecordBroken(EngineError):
    """What was stored is not what this version writes: somebody else changed it, or it was damaged."""

    slug, title = "record-broken", "A stored record cannot be read"


class DataFolderError(EngineError):
    """The data folder is in use, half made, of another version, or full; nothing in it was changed."""

    slug, title, exit_code = "data-folder", "The data folder cannot be used", 6


class DataFolderBusy(DataFolderError):
    slug = "data-folder-busy"


class StorageError(EngineError):
    slug, title, status = "storage", "A file or an object store cannot be used", 503


class ClusterError(EngineError):
    slug, title, status = "cluster", "The cluster cannot be used", 503


class TimedOut(EngineError):
    slug, title, status = "timed-out", "It did not finish in time", 504


class SealError(DissonanceError):
    slug, title = "seal", "A sealed row cannot be opened"


class KeyDestroyed(SealError):
    """The data subject was erased: the row is gone for good, which is what was asked for."""

    slug, title, status, exit_code = "key-destroyed", "The data subject's key was destroyed", 410, 3


class SealBroken(SealError):
    slug, title = "seal-broken", "Sealed bytes were changed or belong to another row"


class KeyPartMissing(SealBroken):
    """The file without which a key-encryption key does not open; nothing was changed."""

    slug, title, status = "key-part-missing", "A part of a key is not in the key folder", 503


class ModelError(DissonanceError):
    slug, title, status = "model", "A model cannot be used", 503


class ModelNotFound(ModelError):
    slug, title, status, exit_code = "model-not-found", "There is no such model", 404, 3


class NothingBefore(ModelNotFound):
    slug, title = "nothing-before", "There is nothing to roll back to"


class VersionNotServed(ModelError):
    """Another version answers; it is never put in place of the one that was asked for."""

    slug, title = "version-not-served", "This version of the model does not answer here now"
    status, exit_code = 404, 3


class ModelMoved(ModelError):
    slug, title, status = "model-moved", "Another version was put into production meanwhile", 409


class ModelFailed(ModelError):
    slug, title = "model-failed", "A model gave no answer"


class ModelRefused(ModelError):
    """Signature, format, schema or digest is wrong: refused, the old model keeps serving."""

    slug, title = "model-refused", "A model was refused"


class ModelUnsigned(ModelRefused):
    slug, title = "model-unsigned", "A model has no signature"


class ModelForeign(ModelRefused):
    slug, title = "model-foreign", "A model is signed by somebody else"


class ModelTampered(ModelRefused):
    """Bytes are not those that were signed and sealed."""

    slug, title = "model-tampered", "A model was changed"


class ModelDowngraded(ModelRefused):
    """It is whole, and another version than the one that was registered here."""

    slug, title = "model-downgraded", "A model is another version's"


class ModelUnsupported(ModelRefused):
    """It could run code when it is loaded, or is of a format that is not known here."""

    slug, title, exit_code = "model-unsupported", "A model is of a format that is not loaded", 3


class ModelMisfit(ModelRefused):
    """It was made for another task, feature schema or order of classes."""

    slug, title, exit_code = "model-misfit", "A model was made for something else", 3


class ModelNotRenewable(ModelError):
    """It was registered from a file, and nothing here can make another like it."""

    slug, title, status, exit_code = "model-not-renewable", "The model cannot be retrained here", 409, 3


class GateRefused(DissonanceError):
    """A rule of the gate said no; the verdict carries the numbers."""

    slug, title, status, exit_code = "gate-refused", "The gate refused the update", 409, 7
