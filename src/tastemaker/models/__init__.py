"""The models, one idea per file: its description and paper, config, network and model class."""
