"""Step: the embedding service as a process of its own, under closed loops of callers over gRPC, by batch size."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product

from bench.gpu import steps
from bench.gpu.architectures import BGE_BASE, MINILM_L6, Architecture, shrunk
from bench.gpu.client import Order, Seen
from bench.gpu.clients import Clients, together
from bench.gpu.service import Endpoints, Service
from bench.gpu.steps import Options, Report
from bench.gpu.usage import CpuTime, Gpus, gpus
from bench.gpu.weights import make
from bench.gpu.window import Window, figures, problem_of
from bench.machine import cores
from bench.metrics import difference, scrape
from bench.shapes import Shape
from services.common.errors import StartupError

_DTYPE = "bfloat16"
_MODELS = (BGE_BASE, MINILM_L6)
_SHAPES = tuple(Shape.parse(text) for text in ("1x32", "1x256", "32x4", "32x16", "256x4"))
_MEAN_TOKENS = 88
"""Of a text of the log-normal mix (measured)."""

_START_LIMIT_S = 90.0
_STAGGER_S = 3.0
"""Between starts: a service learns its speed as it warms up, and others must not do so at the same moment."""
_LEAD_S = 0.1
_SAMPLE_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """How the service is set."""

    max_batch_tokens: int
    replicas: int = 1
    least_tokens: int = 0
    """Shapes that have no more on their way are left out: with smaller settings they make the same batches."""

    def __str__(self) -> str:
        return f"{self.max_batch_tokens}" + (f", {self.replicas} replicas" if self.replicas > 1 else "")

    def takes(self, shape: Shape) -> bool:
        """Whether it is measured: 1 x 256 has 256 x 88 = 22,528 tokens on their way, enough for two of 8,192."""
        return shape.texts * shape.callers * _MEAN_TOKENS > self.least_tokens


_VARIANTS = (
    Variant(max_batch_tokens=8_192),
    Variant(max_batch_tokens=32_768, least_tokens=8_192),
    Variant(max_batch_tokens=131_072, least_tokens=32_768),
    Variant(max_batch_tokens=8_192, replicas=2, least_tokens=16_384),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is done."""

    models: Sequence[Architecture]
    variants: Sequence[Variant]
    shapes: Sequence[Shape]
    clients: int
    texts: int
    """Of each client."""
    warm_up_s: float
    measured_s: float

    @classmethod
    def of(cls, options: Options) -> Size:
        """On a GPU half of the cores are for clients, whose texts together are more than the cache keeps."""
        if options.is_tiny:
            return cls(
                models=[shrunk(_MODELS[0])],
                variants=[Variant(max_batch_tokens=8_192, replicas=replicas) for replicas in (1, 2)],
                shapes=[Shape(texts=1, callers=8), Shape(texts=8, callers=2)],
                clients=2,
                texts=6_000,
                warm_up_s=0.3,
                measured_s=1.0,
            )
        return cls(
            models=_MODELS,
            variants=_VARIANTS,
            shapes=_SHAPES,
            clients=max(2, min(8, cores() // 2)),
            texts=20_000,
            warm_up_s=1.5,
            measured_s=3.0,
        )


def measure(report: Report, options: Options) -> bool:
    """Every service under every load, while there is time; False where one did not start or a call failed.

    All services start together, which takes little longer than one, and wait: one that is asked for nothing takes no
    processor time.
    """
    size = Size.of(options)
    report.fact("clients", f"{size.clients} processes with {size.texts} texts each")
    with ExitStack() as stack:
        clients = stack.enter_context(Clients(size.clients, texts=size.texts))
        watched = stack.enter_context(gpus())
        services = [_started(each, stack) for each in _services(size, options)]
        clients.wait()
        bench = Bench(report=report, size=size, clients=clients, gpus=watched)
        # All serve before one is measured: those that load would take from it.
        reached = [bench.endpoints(*each) for each in zip(services, size.variants, strict=True)]
        are_good = [
            endpoints is not None and _measure_service(bench, endpoints, variant)
            for endpoints, variant in zip(reached, size.variants, strict=True)
        ]
    return all(are_good)


def _started(service: Service, stack: ExitStack) -> Service:
    stack.enter_context(service)
    time.sleep(_STAGGER_S)
    return service


def _services(size: Size, options: Options) -> Iterator[Service]:
    folders = {model.name: make(model, options.work, device=options.device) for model in size.models}
    models = [{"id": name, "source": f"path:{folder}", "dtype": _DTYPE} for name, folder in folders.items()]
    for number, variant in enumerate(size.variants):
        settings = {
            "BACKEND": "torch",
            "DEVICE": options.device,
            "MODELS": json.dumps(models),
            "MAX_BATCH_TOKENS": str(variant.max_batch_tokens),
            "REPLICAS": str(variant.replicas),
        }
        yield Service(settings, options.work / f"embedding-{number}.log")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What every load needs."""

    report: Report
    size: Size
    clients: Clients
    gpus: Gpus

    def endpoints(self, service: Service, variant: Variant) -> Endpoints | None:
        """Of a service that was started, once it serves; None, with a note in the file, where it does not."""
        try:
            return service.wait(_START_LIMIT_S)
        except StartupError as exc:
            self.report.fact(f"{variant}: failed", str(exc))
            return None


def _measure_service(bench: Bench, endpoints: Endpoints, variant: Variant) -> bool:
    """Every model and shape."""
    cases = [
        Case(bench=bench, endpoints=endpoints, variant=variant, model=model.name, shape=shape)
        for model, shape in product(bench.size.models, bench.size.shapes)
        if variant.takes(shape)
    ]
    are_good = [case.measure() for case in cases if bench.report.has_time(str(case))]
    return all(are_good)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A load on one model of a service."""

    bench: Bench
    endpoints: Endpoints
    variant: Variant
    model: str
    shape: Shape

    def __str__(self) -> str:
        return f"{self.model} {self.variant}: {self.shape}"

    def measure(self) -> bool:
        """Report it; False when a call failed, or what was counted was not computed."""
        order = self._order()
        self.bench.clients.begin(order)
        window, problem = None, ""
        try:
            window = self._watch(order)
        except OSError as exc:
            problem = f"the service is gone: {exc}"
        seen = together(self.bench.clients.end())
        if window is not None:
            problem = problem_of(seen, window)
            self._report(seen, window)
        if problem:
            self.bench.report.fact(f"{self}: failed", problem)
        return not problem

    def _order(self) -> Order:
        starts_s = time.monotonic() + _LEAD_S
        counts_from_s = starts_s + self.bench.size.warm_up_s
        return Order(
            address=self.endpoints.address,
            model=self.model,
            texts=self.shape.texts,
            callers=self.shape.callers,
            starts_s=starts_s,
            counts_from_s=counts_from_s,
            ends_s=counts_from_s + self.bench.size.measured_s,
        )

    def _watch(self, order: Order) -> Window:
        """Look at the service while answers count.

        Raises:
            OSError: it has ended.
        """
        time.sleep(max(0.0, order.counts_from_s - time.monotonic()))
        before, cpu, started_s = scrape(self.endpoints.metrics_url), CpuTime.of(self.endpoints.pid), time.monotonic()
        percents = list[float]()
        while (left_s := order.ends_s - time.monotonic()) > 0:
            time.sleep(min(_SAMPLE_S, left_s))
            if (percent := self.bench.gpus.utilization_percent()) is not None:
                percents.append(percent)
        after, seconds = scrape(self.endpoints.metrics_url), time.monotonic() - started_s
        taken = CpuTime.of(self.endpoints.pid).since(cpu)
        return Window(seconds=seconds, happened=difference(before, after), cpu=taken, gpu_percents=percents)

    def _report(self, seen: Seen, window: Window) -> None:
        labels = {
            "system": "service",
            "model": self.model,
            "dtype": _DTYPE,
            "mix": "lognormal",
            "shape": str(self.shape),
            "budget": str(self.variant.max_batch_tokens),
            "replicas": str(self.variant.replicas),
        }
        found = figures(seen, window, seconds=self.bench.size.measured_s, replicas=self.variant.replicas)
        for (what, unit), values in found.items():
            if values:
                self.bench.report.figure(f"{self}: {what}", unit, values, metric=what, **labels)


if __name__ == "__main__":
    steps.run("serving", measure)
