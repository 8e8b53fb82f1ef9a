from a2m2.nn.backbone import Backbone


class MotionFilters(Backbone): ...
