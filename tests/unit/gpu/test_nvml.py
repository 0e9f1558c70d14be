# ruff: noqa: N802 - the functions have the names of pynvml's
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pynvml
import pytest

from services.common.errors import StartupError
from services.gpu.devices.base import Device, DeviceKind
from services.gpu.devices.nvml import NvmlSource
from services.gpu.devices.nvml_api import Nvml, NvmlError

GIB = 1024**3


class FakeNvmlError(NvmlError):
    """As pynvml's own: a code, and equality that breaks on foreign values."""

    def __init__(self, value: int) -> None:
        super().__init__(f"code {value}")
        self.value = value


@dataclass
class FakeMemory:
    total: int
    used: int


@dataclass
class FakeUtilization:
    gpu: int


@dataclass
class FakeHandle:
    """A GPU or a slice; `errors` holds the code that each function fails with."""

    uuid: str
    name: str = "NVIDIA H200"
    memory: FakeMemory = field(default_factory=lambda: FakeMemory(total=140 * GIB, used=GIB))
    utilization: int = 30
    temperature: int = 45
    slots: list[FakeHandle | None] | None = None
    """Slices by slot; None for a GPU without MIG."""
    errors: dict[str, int] = field(default_factory=dict)


class FakePynvml:
    """Something of pynvml's shape whose GPUs and failures a test sets."""

    NVMLError: type[NvmlError] = FakeNvmlError
    NVML_DEVICE_MIG_ENABLE = 1
    NVML_ERROR_NOT_SUPPORTED = 3
    NVML_ERROR_NO_PERMISSION = 4
    NVML_ERROR_NOT_FOUND = 6
    NVML_ERROR_DRIVER_NOT_LOADED = 9
    NVML_ERROR_FUNCTION_NOT_FOUND = 13
    NVML_ERROR_GPU_IS_LOST = 15
    NVML_ERROR_NO_DATA = 21
    NVML_ERROR_UNKNOWN = 999
    NVML_TEMPERATURE_GPU = 0

    def __init__(self, *gpus: FakeHandle) -> None:
        self.gpus = list(gpus)
        self.errors: dict[str, int] = {}
        self.is_open = False

    def nvmlInit(self) -> None:
        self._fail("nvmlInit")
        self.is_open = True

    def nvmlShutdown(self) -> None:
        self._fail("nvmlShutdown")
        self.is_open = False

    def nvmlSystemGetDriverVersion(self) -> str:
        self._fail("nvmlSystemGetDriverVersion")
        return "580.1"

    def nvmlDeviceGetCount(self) -> int:
        self._fail("nvmlDeviceGetCount")
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int, /) -> FakeHandle:
        with self._of(self.gpus[index], "nvmlDeviceGetHandleByIndex") as handle:
            return handle

    def nvmlDeviceGetUUID(self, handle: FakeHandle, /) -> str:
        with self._of(handle, "nvmlDeviceGetUUID"):
            return handle.uuid

    def nvmlDeviceGetName(self, handle: FakeHandle, /) -> str:
        with self._of(handle, "nvmlDeviceGetName"):
            return handle.name

    def nvmlDeviceGetMemoryInfo(self, handle: FakeHandle, /) -> FakeMemory:
        with self._of(handle, "nvmlDeviceGetMemoryInfo"):
            return handle.memory

    def nvmlDeviceGetUtilizationRates(self, handle: FakeHandle, /) -> FakeUtilization:
        with self._of(handle, "nvmlDeviceGetUtilizationRates"):
            return FakeUtilization(gpu=handle.utilization)

    def nvmlDeviceGetTemperature(self, handle: FakeHandle, sensor: int, /) -> int:
        with self._of(handle, "nvmlDeviceGetTemperature"):
            return handle.temperature

    def nvmlDeviceGetCudaComputeCapability(self, handle: FakeHandle, /) -> tuple[int, int]:
        with self._of(handle, "nvmlDeviceGetCudaComputeCapability"):
            return (9, 0)

    def nvmlDeviceGetMigMode(self, handle: FakeHandle, /) -> list[int]:
        with self._of(handle, "nvmlDeviceGetMigMode"):
            return [0, 0] if handle.slots is None else [1, 1]

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: FakeHandle, /) -> int:
        with self._of(handle, "nvmlDeviceGetMaxMigDeviceCount"):
            return len(handle.slots or ())

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: FakeHandle, slot: int, /) -> FakeHandle:
        with self._of(handle, "nvmlDeviceGetMigDeviceHandleByIndex"):
            found = (handle.slots or [])[slot]
            if found is None:
                raise FakeNvmlError(self.NVML_ERROR_NOT_FOUND)
            return found

    def _fail(self, function: str) -> None:
        if function in self.errors:
            raise FakeNvmlError(self.errors[function])

    @contextmanager
    def _of(self, handle: FakeHandle, function: str) -> Iterator[FakeHandle]:
        if function in handle.errors:
            raise FakeNvmlError(handle.errors[function])
        yield handle


LOST = FakePynvml.NVML_ERROR_GPU_IS_LOST
"""What a GPU answers that fell off the bus."""

READINGS = [
    "nvmlDeviceGetMemoryInfo",
    "nvmlDeviceGetUtilizationRates",
    "nvmlDeviceGetTemperature",
    "nvmlDeviceGetCudaComputeCapability",
]


def mig_gpu() -> FakeHandle:
    slices = [FakeHandle(f"MIG-{n}", name="NVIDIA H200 MIG 3g.71gb", memory=FakeMemory(70 * GIB, n)) for n in (1, 2)]
    return FakeHandle("GPU-m", slots=[slices[0], None, slices[1]])


def read(nvml: FakePynvml) -> tuple[Device, ...]:
    return NvmlSource(nvml).read().devices


def test_a_gpu_is_read_with_everything_that_it_reports() -> None:
    inventory = NvmlSource(FakePynvml(FakeHandle("GPU-a"))).read()

    assert inventory.driver_version == "580.1"
    assert inventory.devices == (
        Device(
            id="GPU-a",
            kind=DeviceKind.GPU,
            name="NVIDIA H200",
            memory_bytes=140 * GIB,
            memory_used_bytes=GIB,
            utilization_percent=30,
            temperature_celsius=45,
            compute_capability="9.0",
        ),
    )


def test_gpus_are_listed_in_the_drivers_order_and_read_anew_each_time() -> None:
    nvml = FakePynvml(FakeHandle("GPU-b"), FakeHandle("GPU-a"))
    source = NvmlSource(nvml)
    first = source.read().devices
    nvml.gpus[0].memory.used = 5 * GIB

    assert [device.id for device in first] == ["GPU-b", "GPU-a"]
    assert source.read().devices[0].memory_used_bytes == 5 * GIB


def test_slices_follow_their_gpu_which_may_not_be_used_itself() -> None:
    whole, first, second = read(FakePynvml(mig_gpu()))

    assert (whole.kind, whole.is_healthy) == (DeviceKind.GPU, False)
    assert "use those" in whole.problem
    assert [(mig.id, mig.kind, mig.is_healthy) for mig in (first, second)] == [
        ("MIG-1", DeviceKind.MIG, True),
        ("MIG-2", DeviceKind.MIG, True),
    ]
    assert (first.name, first.memory_bytes, first.memory_used_bytes) == ("NVIDIA H200 MIG 3g.71gb", 70 * GIB, 1)
    assert (first.compute_capability, first.utilization_percent) == ("9.0", None)


def test_a_split_gpu_without_slices_says_so() -> None:
    (whole,) = read(FakePynvml(FakeHandle("GPU-m", slots=[None, None])))

    assert "no slices" in whole.problem


def test_slices_that_cannot_be_read_are_a_problem_of_their_gpu_alone() -> None:
    broken = mig_gpu()
    broken.errors["nvmlDeviceGetMigDeviceHandleByIndex"] = FakePynvml.NVML_ERROR_UNKNOWN

    whole, other = read(FakePynvml(broken, FakeHandle("GPU-a")))

    assert "slices cannot be read" in whole.problem
    assert other.is_healthy


@pytest.mark.parametrize(
    "code",
    [
        FakePynvml.NVML_ERROR_NOT_SUPPORTED,
        FakePynvml.NVML_ERROR_NO_PERMISSION,
        FakePynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
        FakePynvml.NVML_ERROR_NO_DATA,
    ],
)
def test_what_a_gpu_does_not_report_is_absent_and_no_problem(code: int) -> None:
    names = [*READINGS, "nvmlDeviceGetMigMode", "nvmlDeviceGetName"]
    (device,) = read(FakePynvml(FakeHandle("GPU-a", errors=dict.fromkeys(names, code))))

    assert device == Device(id="GPU-a", kind=DeviceKind.GPU, name="NVIDIA GPU")
    assert device.is_healthy


@pytest.mark.parametrize("reading", READINGS)
def test_a_gpu_that_is_lost_while_it_is_read_is_unhealthy_and_the_others_are_not(reading: str) -> None:
    lost, other = read(FakePynvml(FakeHandle("GPU-a", errors={reading: LOST}), FakeHandle("GPU-b")))

    assert (lost.id, lost.is_healthy) == ("GPU-a", False)
    assert "code 15" in lost.problem
    assert other.is_healthy


def test_a_gpu_that_is_lost_keeps_its_identity_and_loses_its_readings() -> None:
    nvml = FakePynvml(FakeHandle("GPU-a"), FakeHandle("GPU-b"))
    source = NvmlSource(nvml)
    source.read()
    nvml.gpus[1].errors["nvmlDeviceGetHandleByIndex"] = LOST

    first, lost = source.read().devices

    assert first.is_healthy
    assert (lost.id, lost.name, lost.memory_bytes) == ("GPU-b", "NVIDIA H200", 140 * GIB)
    assert (lost.utilization_percent, lost.temperature_celsius) == (None, None)
    assert "code 15" in lost.problem


def test_a_gpu_that_was_lost_before_it_was_seen_is_listed_by_its_index() -> None:
    lost, other = read(FakePynvml(FakeHandle("GPU-a", errors={"nvmlDeviceGetUUID": LOST}), FakeHandle("GPU-b")))

    assert (lost.id, lost.is_healthy, other.id) == ("nvml-0", False, "GPU-b")


def test_a_gpu_that_the_driver_lists_no_more_stays_listed_as_unhealthy() -> None:
    nvml = FakePynvml(FakeHandle("GPU-a"), FakeHandle("GPU-b"))
    source = NvmlSource(nvml)
    source.read()
    del nvml.gpus[0]

    assert [(device.id, device.is_healthy) for device in source.read().devices] == [("GPU-b", True), ("GPU-a", False)]
    assert [(device.id, device.is_healthy) for device in source.read().devices] == [("GPU-b", True), ("GPU-a", False)]


def test_a_driver_that_fails_as_a_whole_makes_every_known_gpu_unhealthy() -> None:
    nvml = FakePynvml(FakeHandle("GPU-a"), FakeHandle("GPU-b"))
    source = NvmlSource(nvml)
    source.read()
    nvml.errors["nvmlDeviceGetCount"] = FakePynvml.NVML_ERROR_UNKNOWN

    devices = source.read().devices

    assert [(device.id, device.is_healthy) for device in devices] == [("GPU-a", False), ("GPU-b", False)]


def test_a_gpu_that_comes_back_is_healthy_again() -> None:
    nvml = FakePynvml(FakeHandle("GPU-a", errors={"nvmlDeviceGetMemoryInfo": LOST}))
    source = NvmlSource(nvml)
    lost = source.read().devices[0]
    nvml.gpus[0].errors.clear()

    assert not lost.is_healthy
    assert source.read().devices[0].is_healthy


@pytest.mark.parametrize("function", ["nvmlInit", "nvmlDeviceGetCount"])
def test_a_driver_that_cannot_be_used_is_a_startup_error_that_says_why(function: str) -> None:
    nvml = FakePynvml(FakeHandle("GPU-a"))
    nvml.errors[function] = FakePynvml.NVML_ERROR_DRIVER_NOT_LOADED

    with pytest.raises(StartupError, match="the NVIDIA driver cannot be used: code 9"):
        NvmlSource(nvml)


def test_a_driver_without_gpus_is_a_startup_error() -> None:
    with pytest.raises(StartupError, match="has no GPU"):
        NvmlSource(FakePynvml())


@pytest.mark.parametrize("fails", [False, True])
def test_closing_shuts_nvml_down_and_never_raises(fails: bool) -> None:
    nvml = FakePynvml(FakeHandle("GPU-a"))
    source = NvmlSource(nvml)
    if fails:
        nvml.errors["nvmlShutdown"] = FakePynvml.NVML_ERROR_UNKNOWN

    source.close()

    assert nvml.is_open is fails


def test_the_fake_and_the_real_pynvml_have_what_the_source_uses() -> None:
    def used_by(module: object) -> Callable[[str], bool]:
        return lambda name: hasattr(module, name)

    names = [name for name in (*Nvml.__annotations__, *vars(Nvml)) if name.lower().startswith("nvml")]

    assert len(names) > 15
    assert list(filter(used_by(pynvml), names)) == names
    assert list(filter(used_by(FakePynvml), names)) == names
    assert [getattr(pynvml, name) for name in names if name.startswith("NVML_")] == [
        getattr(FakePynvml, name) for name in names if name.startswith("NVML_")
    ]


def test_the_real_pynvmls_errors_have_the_shape_that_the_source_reads() -> None:
    error = pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)

    assert isinstance(error, pynvml.NVMLError_GpuIsLost)
    assert (error.value, str(error)) == (LOST, "GPU is lost")
