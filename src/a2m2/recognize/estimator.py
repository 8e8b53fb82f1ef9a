"""What scikit-learn asks of every estimator, met without importing it."""

from __future__ import annotations

import inspect
from typing import Any, Self


class Estimator:
    """Base of classifiers whose arguments are keyword-only and kept under their own names."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments it was made with; ``deep`` changes nothing, as none of them is an estimator."""
        return {name: getattr(self, name) for name in self._defaults()}

    def set_params(self, **params: Any) -> Self:
        """Change arguments; what was fitted stays until the next fit.

        Raises:
            ValueError: an unknown argument, as grid searches expect.
        """
        known = self._defaults()
        for name, value in params.items():
            if name not in known:
                raise ValueError(
                    f"no parameter {name!r} of {type(self).__name__}; known are {', '.join(known)}"
                )
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self) -> Any:
        # Only scikit-learn asks, so it is there.
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(),
            input_tags=InputTags(two_d_array=False, string=True),
        )

    def __repr__(self) -> str:
        defaults = self._defaults()
        changed = {name: value for name, value in self.get_params().items() if value != defaults[name]}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in changed.items())})"

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        """Arguments of the constructor and their defaults."""
        parameters = inspect.signature(cls.__init__).parameters
        return {name: value.default for name, value in parameters.items() if name != "self"}
