"""The multimodal model: encoders, fusion, configuration, files. See :mod:`mmrl.models.model`."""
