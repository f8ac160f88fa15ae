"""Settings: frozen, one section a stage, from TOML and environment."""

from guard.config.settings import (
    AlertSettings,
    AnalysisSettings,
    DecisionSettings,
    FaceSettings,
    IceSettings,
    LogSettings,
    MediaSettings,
    MqttSettings,
    PageSettings,
    Settings,
    WebSettings,
    is_ice_server,
)

__all__ = [
    "AlertSettings",
    "AnalysisSettings",
    "DecisionSettings",
    "FaceSettings",
    "IceSettings",
    "LogSettings",
    "MediaSettings",
    "MqttSettings",
    "PageSettings",
    "Settings",
    "WebSettings",
    "is_ice_server",
]
