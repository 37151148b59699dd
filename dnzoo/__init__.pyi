from . import analysis as analysis
from . import data as data
from . import layers as layers
from . import losses as losses
from . import metrics as metrics
from . import models as models
from . import training as training
from .exporting import export as export
from .inference import predict as predict
from .models import create_model as create_model
from .models import list_models as list_models
from .models.dcgan import dcgan as dcgan
from .models.dcgan import dcgan_discriminator as dcgan_discriminator
from .models.dcgan import dcgan_generator as dcgan_generator
from .models.edsr import edsr as edsr
from .models.espcn import espcn as espcn
from .models.fcn import fcn8s as fcn8s
from .models.fcn import fcn16s as fcn16s
from .models.fcn import fcn32s as fcn32s
from .models.mask_head import mask_branch as mask_branch
from .models.mask_head import mask_head as mask_head
from .models.unet import unet as unet
from .models.vae import vae as vae
from .pretrained import list_pretrained as list_pretrained
from .saving import load as load
from .saving import save as save

__version__: str
