"""What can be set for a training run; the command line and the YAML file are made from this class."""

from dataclasses import dataclass, field
from typing import Any, Literal

from python_models.data import Augmentation
from python_models.errors import UserError
from python_models.model_card import Encoding, Head
from python_models.objectives import LossSettings
from python_models.runtime import Accelerator, Devices, Precision
from python_models.schedule import OptimizerName, ScheduleName
from python_models.sources import GENERATED

StagesStart = Literal["own", "before"]


@dataclass(frozen=True)
class TrainSettings:
    """Settings of a run; the defaults are those published with Simple Baselines for COCO.

    Args:
        model: name in the zoo; see `python -m python_models list`.
        data: "generated", "crowds" (or "crowds:0.6", from 0 to 1 how close they stand), a COCO keypoint JSON, a
            folder with one (or with train/ and val/), or NAME:PATH, a published set by its name and folder, as in
            lsp:data/lsp_dataset; see docs/data.md.
        images: folder of the images, where it is not the folder of the JSON file.
        val: what to score on after each epoch; by default the split val of `data`, where there is one.
        val_images: folder of the images of `val`.
        generated_count: images of generated people to train on; a tenth as many are scored on.
        out: folder of checkpoints and logs.
        resume: folder of an earlier run to continue. The command line takes that run's settings, and those given
            beside it on top; in Python, pass the settings of its settings.json.
        pretrained: path or URL of weights to start from.
        reset_final: let the last layer start at random where those weights have another joint count.
        final_std: the final layers' weights start with this standard deviation, their biases with 0; by default as
            the network has it.
        options: of the architecture, such as deconv_channels.
        input_size: height and width of the crops in pixels; by default what the model was published with.
        sigma_px: of the target Gaussian in heat-map pixels, or of DeepCut's networks the radius of what shows a
            joint; by default what the model was published with.
        encoding: of the target; by default what the model was published with.
        head: of a model of heat maps: peak; integral, which takes the joints as expectations; or simcc, which
            classifies them along x and along y; by default what the model was published with.
        stages: networks of this kind one after the other, as in DeepPose: from the second on, each looks again,
            closer, around every joint that the one before found.
        stage_torsos: side of what they look at there, in diagonals of the torso.
        stages_start: later stages start with weights of their own, or with those that the stage before has learned.
        crops_per_person: people are shown to a later stage by so many joints, drawn anew each time; 0 for all.
        stn_width: a small ResNet-18 with a stem of so many channels, 64 as published, looks first and cuts the crop
            again, as in RMPE; trained after the network itself. 0: none.
        loss: what is minimised.
        augmentation: ranges of scale, rotation, flip, half body and colour.
        epochs: passes over the data; of each phase, where a model is trained in several.
        phase_epochs: of each phase, where they differ.
        batch_size: people per step and process.
        optimizer: kind of optimizer.
        lr: base learning rate.
        weight_decay: of the optimizer.
        momentum: of sgd and rmsprop.
        schedule: of the learning rate.
        warmup_steps: the learning rate rises from 0 over so many steps.
        drop_epochs: where the step schedule lowers the learning rate, counted from the start of each phase.
        drop_factor: what it is multiplied by there.
        ema_decay: score and keep the running average of the weights with this decay per step.
        accelerator: kind of device.
        devices: number of devices, one process each.
        precision: of the network's arithmetic.
        channels_last: memory order of images and weights.
        compile: run the network through torch.compile.
        workers: processes that decode images.
        seed: decides weights, order and augmentation.
        log_every: steps between two readings of the loss.
        flip_test: score on the average with the mirrored image.
    """

    model: str = "pose_resnet50"
    data: str = GENERATED
    images: str | None = None
    val: str | None = None
    val_images: str | None = None
    generated_count: int = 4000
    out: str = "runs/train"
    resume: str | None = None
    pretrained: str | None = None
    reset_final: bool = False
    final_std: float | None = None
    options: dict[str, Any] = field(default_factory=dict)
    input_size: tuple[int, int] | None = None
    sigma_px: float | None = None
    encoding: Encoding | None = None
    head: Head | None = None
    stages: int = 1
    stage_torsos: float = 2.0
    stages_start: StagesStart = "own"
    crops_per_person: int = 0
    stn_width: int = 0
    loss: LossSettings = field(default_factory=LossSettings)
    augmentation: Augmentation = field(default_factory=Augmentation)
    epochs: int = 140
    phase_epochs: tuple[int, ...] = ()
    batch_size: int = 64
    optimizer: OptimizerName = "adam"
    lr: float = 1e-3
    weight_decay: float = 0.0
    momentum: float = 0.0
    schedule: ScheduleName = "step"
    warmup_steps: int = 0
    drop_epochs: tuple[int, ...] = (90, 120)
    drop_factor: float = 0.1
    ema_decay: float | None = None
    accelerator: Accelerator = "auto"
    devices: Devices = "auto"
    precision: Precision = "32-true"
    channels_last: bool = True
    compile: bool = False
    workers: int = 4
    seed: int = 0
    log_every: int = 20
    flip_test: bool = False

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "log_every", "generated_count", "lr", "stages", "stage_torsos"):
            if not getattr(self, name) > 0:
                raise UserError(f"{name}: expected a number above 0, got {getattr(self, name)}")
        if any(epochs < 1 for epochs in self.phase_epochs):
            raise UserError(f"phase_epochs: expected numbers above 0, got {list(self.phase_epochs)}")
        if self.sigma_px is not None and not self.sigma_px > 0:
            raise UserError(f"sigma_px: expected a number above 0, got {self.sigma_px}")
        if self.final_std is not None and not self.final_std > 0:
            raise UserError(f"final_std: expected a number above 0, got {self.final_std}")
        for name in ("workers", "warmup_steps", "weight_decay", "momentum", "crops_per_person", "stn_width"):
            if not getattr(self, name) >= 0:
                raise UserError(f"{name}: expected at least 0, got {getattr(self, name)}")
        if self.ema_decay is not None and not 0 <= self.ema_decay <= 1:
            raise UserError(f"ema_decay: expected 0 to 1, got {self.ema_decay}")
