"""The errors that Ionscout raises for its users: each message is one clear line."""

import errno

CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


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


class StoreError(IonscoutError):
    """The store of trajectories cannot be written: nothing is wrong with the run."""


class PausedError(IonscoutError):
    """A run was told to stop; it goes on when it is run again."""


class TransportError(IonscoutError):
    """A trajectory does not say what was asked of it."""


class CampaignError(IonscoutError):
    """A stage has too little left to go on."""
