"""The errors that Ionscout raises for its users: each message is one clear line."""


class IonscoutError(Exception):
    """Base of all errors that a user can do something about."""


class ConfigError(IonscoutError):
    """The configuration is not valid."""


class StructureError(IonscoutError):
    """A crystal cannot be read, curated or made."""


class BundledDataError(IonscoutError):
    """The data that come with Ionscout are not as they have to be."""


class SourceError(IonscoutError):
    """A database or folder as a whole cannot be pulled."""


class FeatureError(IonscoutError):
    """A descriptor has no value for a crystal."""


class LabelError(IonscoutError):
    """A table of measured values cannot be used."""


class ModelError(IonscoutError):
    """A model cannot be fitted or applied."""


class CompositionError(IonscoutError):
    """Compositions cannot be enumerated, scored or merged."""


class ScreeningError(IonscoutError):
    """Stability cannot be judged on the energies that are there."""


class DynamicsError(IonscoutError):
    """A molecular dynamics run, or its preparation, cannot go on."""


class TransportError(IonscoutError):
    """A trajectory does not say what was asked of it."""


class CampaignError(IonscoutError):
    """A stage has too little left to go on."""
