"""The errors GreenLLM raises: each says what happened, with the value, and what to do."""


class GreenLLMError(Exception):
    """Any error of GreenLLM's own."""


class ConfigurationError(GreenLLMError):
    """The configuration holds something that cannot be used."""


class MeterError(GreenLLMError):
    """A meter could not read its sensors."""


class PlaceError(GreenLLMError):
    """No carbon intensity is known for the place that was named."""


class BudgetError(GreenLLMError, ValueError):
    """What was given as a budget is no amount of energy or emissions."""


class PluginError(GreenLLMError):
    """A plugin cannot be switched as was asked for."""


class LedgerError(GreenLLMError):
    """The ledger could not be opened, read or written."""


class ExportError(GreenLLMError):
    """What was measured could not be exported in the way that was asked for."""


class CalibrationError(GreenLLMError):
    """A model could not be fitted to a sensor, or a fit that was kept cannot be used."""


class RecipeError(GreenLLMError):
    """A recipe cannot be read, or cannot work on this model or host."""


class CompressionError(GreenLLMError):
    """Compressing a model went wrong."""


class ModelFolderError(GreenLLMError):
    """A model could not be saved to a folder, or loaded from it."""


class DeploymentError(GreenLLMError):
    """A model cannot be deployed in the way that was asked for, or what is deployed cannot do what is asked of it."""


class ComparisonError(GreenLLMError):
    """Models cannot be compared as was asked for."""
