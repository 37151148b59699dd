from . import analysis as analysis
from . import data as data
from . import layers as layers
from . import losses as losses
from . import metrics as metrics
from . import models as models
from . import training as training
from .inference import predict as predict
from .models import create_model as create_model
from .models import list_models as list_models
from .models.unet import unet as unet
from .pretrained import list_pretrained as list_pretrained
from .saving import load as load
from .saving import save as save

__version__: str
