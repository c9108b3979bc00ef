"""A plugin with one scheme that can be made wrong in many ways, one for each check."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
from pydantic.dataclasses import dataclass
from scipy import sparse

from erasurehead.plugins import (
    STRICT,
    BoolArray,
    CoverGroups,
    Decoder,
    Encoded,
    FirstK,
    Fixed,
    FloatArray,
    Groups,
    Guarantees,
    InvalidParameter,
    Load,
    OnePerGroup,
    RandomOrder,
    SchemeFamily,
    StoppingRule,
)


@dataclasses.dataclass(frozen=True, eq=False)
class Underpaid(Encoded):
    """Says that everybody computes one partition less than the rows of B."""

    @property
    def loads(self) -> np.ndarray:  # type: ignore[override]
        return np.diff(self.matrix.indptr) - 1


@dataclasses.dataclass(frozen=True, eq=False)
class Unpaid(Encoded):
    """Forgets the load of the last worker."""

    @property
    def loads(self) -> np.ndarray:  # type: ignore[override]
        return np.diff(self.matrix.indptr)[:-1]


@dataclasses.dataclass(frozen=True, eq=False)
class Flat(Decoder):
    """Right for rows of a table, and not for tables of tables."""

    size: int

    def decoding_vector(self, arrived: BoolArray) -> FloatArray:
        return (1 + (arrived.ndim > 2)) * OnePerGroup(self.size).decoding_vector(arrived)

    def partition_weights(self, arrived: BoolArray) -> FloatArray:
        return OnePerGroup(self.size).partition_weights(arrived)


@dataclasses.dataclass(frozen=True)
class Told(FirstK):
    """The first r arrivals, with a state or a table of ends that says something else."""

    how: str = ""

    def enough(self, arrived: BoolArray) -> BoolArray:
        return super().enough(arrived) & (self.how != "never")

    def stopping_delay(self, delays: FloatArray, opened: FloatArray | float = 0.0) -> FloatArray:
        ended = FirstK(self.first).stopping_delay(delays)
        if self.how == "zero":
            ended = np.where(ended > 0, ended, 0.1)
        return ended[..., None] if self.how == "column" else ended

    def stopping_state(self, messages: int, opened: float = 0.0) -> object:  # type: ignore[override]
        return Counted(self.first + (self.how == "late"), self.how == "fickle")


@dataclasses.dataclass
class Counted:
    """The stopping state of ``Told``."""

    left: int
    fickle: bool
    alarms: list[float] = dataclasses.field(default_factory=list)

    def arrive(self, message: int, now: float) -> bool:
        self.left -= 1
        return self.left == 0 if self.fickle else self.left <= 0


@dataclasses.dataclass(frozen=True, eq=False)
class ByGroup(Decoder):
    """What ``OnePerGroup`` says, for others to change."""

    size: int

    def decoding_vector(self, arrived: BoolArray) -> FloatArray:
        return OnePerGroup(self.size).decoding_vector(arrived)

    def partition_weights(self, arrived: BoolArray) -> FloatArray:
        return OnePerGroup(self.size).partition_weights(arrived)


@dataclasses.dataclass(frozen=True, eq=False)
class Doubling(ByGroup):
    """Weights of partitions that are not those of the decoding vector."""

    def partition_weights(self, arrived: BoolArray) -> FloatArray:
        return 2 * super().partition_weights(arrived)


@dataclasses.dataclass(frozen=True, eq=False)
class Reshaped(Decoder):
    """An answer for one partition or message too few, or a weight for who was not heard."""

    size: int
    how: str

    def decoding_vector(self, arrived: BoolArray) -> FloatArray:
        vector = OnePerGroup(self.size).decoding_vector(arrived)
        if self.how == "deaf":
            return np.asarray(vector + 1e-3 * ~arrived)
        return vector[..., 1:] if self.how == "short" else vector

    def partition_weights(self, arrived: BoolArray) -> FloatArray:
        weights = OnePerGroup(self.size).partition_weights(arrived)
        return weights[..., 1:] if self.how == "narrow" else weights


@dataclasses.dataclass(frozen=True)
class Exactly(StoppingRule):
    """Stops at r arrivals, and goes on if there are more."""

    r: int

    def enough(self, arrived: BoolArray) -> BoolArray:
        return np.asarray(np.count_nonzero(arrived, axis=-1) == self.r)


@dataclasses.dataclass(frozen=True)
class Scalar(StoppingRule):
    """One answer for a whole table, as of a row."""

    def enough(self, arrived: BoolArray) -> BoolArray:
        return np.asarray(arrived.all())


@dataclasses.dataclass(frozen=True)
class Failing(StoppingRule):
    """Looks for what is not there."""

    def enough(self, arrived: BoolArray) -> BoolArray:
        raise KeyError("arrived\nhere")


@dataclasses.dataclass(frozen=True)
class Hasty(StoppingRule):
    """The first r arrivals, but the batch engine is told one less."""

    r: int

    def enough(self, arrived: BoolArray) -> BoolArray:
        return np.asarray(np.count_nonzero(arrived, axis=-1) >= self.r)

    def stopping_delay(self, delays: FloatArray, opened: FloatArray | float = 0.0) -> FloatArray:
        return np.asarray(np.sort(delays, axis=-1)[..., self.r - 2])


@dataclasses.dataclass(frozen=True)
class Contrary(StoppingRule):
    """Everybody; but twice as late where the first message comes early."""

    @property
    def timed(self) -> bool:
        return True

    def enough(self, arrived: BoolArray) -> BoolArray:
        return np.asarray(arrived.all(axis=-1))

    def stopping_delay(self, delays: FloatArray, opened: FloatArray | float = 0.0) -> FloatArray:
        last = delays.max(axis=-1)
        return np.where(delays.min(axis=-1) < 0.05, 2 * last, last)

    def stopping_state(self, messages: int, opened: float = 0.0) -> object:  # type: ignore[override]
        return Patient(messages)


class Patient:
    """The stopping state of ``Contrary``."""

    def __init__(self, messages: int) -> None:
        self.alarms: list[float] = []
        self.left, self.early, self.over = messages, None, np.inf

    def arrive(self, message: int, now: float) -> bool:
        self.early = now < 0.05 if self.early is None else self.early
        self.left -= 1
        if self.left == 0:
            self.over = 2 * now if self.early else now
            self.alarms.append(self.over - now)
        return now >= self.over

    def ring(self, now: float) -> bool:
        return now >= self.over


@dataclasses.dataclass(frozen=True, eq=False)
class Lost(ByGroup):
    """Another one comes out of a pickle."""

    def __reduce__(self) -> tuple[type[OnePerGroup], tuple[int]]:
        return OnePerGroup, (self.size,)


class Mutable(Decoder):
    """Adds what arrived; anybody may write into it."""

    def decoding_vector(self, arrived: BoolArray) -> FloatArray:
        return arrived.astype(float)

    partition_weights = decoding_vector


@dataclass(frozen=True, config=STRICT)
class Wrong(SchemeFamily):
    """Fractional repetition, right unless it is told how to be wrong."""

    name: ClassVar[str] = "wrong"

    load: Load = 3
    how: str = ""

    @classmethod
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return (cls(),)

    def __reduce__(self) -> tuple[type[Wrong], tuple[int, str]]:
        return Wrong, (self.load + (self.how == "travelling"), self.how)

    def build(self, workers: int) -> Fixed:
        d = self.load
        if workers % d:
            fit = [x for x in range(1, workers + 1) if workers % x == 0]
            near = min(fit, key=lambda x: abs(x - d))
            named = {"far": {"load": 1}, "silent": None, "refused": {"load": 5}}
            valid = f"must divide workers; nearest: {near}, 1, 5"
            raise InvalidParameter("load", d, valid, named.get(self.how, {"load": near}))
        if workers % d == 0 and self.how == "hidden" and d > 1:
            raise InvalidParameter("load", d, "must be the least", {"load": 1})
        code, guarantees = Groups(workers, d), Guarantees(copies=d, tolerates=d - 1)
        right = Fixed(
            self.name, code, CoverGroups(d), OnePerGroup(d), exact=True, guarantees=guarantees
        )

        def but(**changes: object) -> Fixed:
            return dataclasses.replace(right, **changes)

        matrix = code.encoding
        few = {"stopping": FirstK(6), "exact": None}
        match self.how:
            case "mutable":
                return but(
                    assignment=Groups(workers, 1), decoder=Mutable(), guarantees=Guarantees()
                )
            case "underpaid":
                return but(assignment=Underpaid(matrix))
            case "copies":
                return but(guarantees=Guarantees(copies=d + 1))
            case "doubling":
                return but(decoder=Doubling(d))
            case "lost":
                return but(decoder=Lost(d))
            case "unpaid":
                return but(assignment=Unpaid(matrix))
            case "flat":
                return but(decoder=Flat(d))
            case "crowd":
                return dataclasses.replace(self, how="").build(2 * workers)
            case "renamed":
                return but(name="other")
            case "timed":
                return but(stopping=Contrary())
            case "zero":
                return but(stopping=Told(2, how="zero"), exact=None, guarantees=Guarantees())
            case "claimant":
                return but(stopping=FirstK(9), exact=None, guarantees=Guarantees(tolerates=3))
            case "never" | "column" | "late" | "fickle":
                return but(stopping=Told(6, how=self.how), exact=None, guarantees=Guarantees())
            case "short" | "narrow" | "deaf":
                return but(decoder=Reshaped(d, self.how))
            case "inexact":
                return but(stopping=FirstK(6))
            case "modest":
                return but(exact=False)
            case "tolerant":
                return but(guarantees=Guarantees(tolerates=d))
            case "lossy":
                lossy = matrix.copy()
                lossy[0, 0] = 1.0 + 1e-6
                lossy[0, 1] = 2.0
                return but(assignment=Encoded(sparse.csr_array(lossy)), decoder=_First(d, lossy))
            case "biased":
                return but(**few, guarantees=Guarantees(unbiased=RandomOrder()))
            case "mean":
                return but(**few, guarantees=Guarantees(mean_error=1.5))
            case "least":
                return but(**few, guarantees=Guarantees(largest_error=6.0))
            case "bound":
                return but(**few, guarantees=Guarantees(largest_error=2.5))
            case "exactly":
                return but(stopping=Exactly(6), exact=None, guarantees=Guarantees())
            case "scalar":
                return but(stopping=Scalar(), exact=None, guarantees=Guarantees())
            case "failing":
                return but(stopping=Failing(), exact=None, guarantees=Guarantees())
            case "unseeded":
                b = np.eye(workers) * np.random.default_rng().random(workers)
                return but(
                    assignment=Encoded(sparse.csr_array(b)), exact=None, guarantees=Guarantees()
                )
            case "unbuilt":
                return but(**{}["missing"])
            case "hasty":
                return but(stopping=Hasty(6), exact=None, guarantees=Guarantees())
            case "contrary":
                return but(stopping=Contrary(), exact=None, guarantees=Guarantees())
        return right


@dataclasses.dataclass(frozen=True, eq=False)
class _First(Decoder):
    """The first of each group, whatever its row says."""

    size: int
    matrix: sparse.csr_array

    def decoding_vector(self, arrived: BoolArray) -> FloatArray:
        return OnePerGroup(self.size).decoding_vector(arrived)

    def partition_weights(self, arrived: BoolArray) -> FloatArray:
        vector = self.decoding_vector(arrived)
        return (self.matrix.T @ vector.reshape(-1, vector.shape[-1]).T).T.reshape(
            *vector.shape[:-1], -1
        )
