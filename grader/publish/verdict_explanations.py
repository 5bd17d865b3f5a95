"""Verdicts and flags in words for the student whom they concern, in English and in Korean."""

from grader.grading.ranking import Entry

VERDICTS = {
    "en": {
        "passed": "The rerun is above the target and keeps every rule.",
        "below_target": "The rerun worked and keeps the rules; its accuracy is not above the target.",
        "rejected": "A rule or the format is broken, so it does not count. The reason says which.",
        "failed": "The rerun crashed, ran over a limit, or left no result that can be scored.",
        "infrastructure": "The grader itself failed. This is no fault of the submission; it will be run again.",
        "pending": "It has not been graded yet.",
    },
    "ko": {
        "passed": "재실행한 결과가 목표를 넘었고 모든 규칙을 지켰습니다.",
        "below_target": "재실행은 잘 끝났고 규칙도 지켰지만, 정확도가 목표를 넘지 못했습니다.",
        "rejected": "규칙이나 형식에 어긋나 인정되지 않습니다. 무엇이 문제인지는 이유에 있습니다.",
        "failed": "재실행이 오류로 멈췄거나, 제한을 넘었거나, 채점할 수 있는 결과를 남기지 않았습니다.",
        "infrastructure": "채점기 쪽의 문제입니다. 제출물의 잘못이 아니며, 다시 실행됩니다.",
        "pending": "아직 채점되지 않았습니다.",
    },
}
ADVICE = {  # by a part of the reason
    "en": {
        "uses no strategy of": "Use at least one strategy of every family; configs/<family>/default.yaml is a start.",
        "took longer than": "Train a smaller network or fewer epochs: the limit is the same for everybody.",
        "of memory": "Use a smaller batch or network.",
        "the GPU's memory": "Use a smaller batch or network.",
        "not all finite": "The loss diverged: lower the learning rate, add normalization, or clip the gradients.",
        "crashed": "Train again from the folder as you handed it in: a file that it needs may be missing there.",
        "is not above": "Where the curves lie far apart, regularize; where both are low, try the other three families.",
    },
    "ko": {
        "uses no strategy of": "네 갈래에서 각각 하나 이상의 전략을 쓰세요. configs/<갈래>/default.yaml 로 시작할 수 있습니다.",
        "took longer than": "더 작은 네트워크나 더 적은 에포크로 학습하세요. 제한은 모두에게 같습니다.",
        "of memory": "배치나 네트워크를 줄이세요.",
        "the GPU's memory": "배치나 네트워크를 줄이세요.",
        "not all finite": "손실이 발산했습니다. 학습률을 낮추거나, 정규화 층(normalization)을 넣거나, 그래디언트를 자르세요.",
        "crashed": "제출한 폴더 그대로, 다른 파일 없이 다시 학습해 보세요. 필요한 것이 빠져 있을 수 있습니다.",
        "is not above": "곡선의 격차가 넓으면 정규화 기법(regularization)이, 학습 곡선이 낮으면 나머지 갈래가 필요합니다.",
    },
}
FLAGS = {
    "en": "no accusation: something about the rerun is unusual, and a person has been asked to look at it",
    "ko": "잘못이라는 뜻은 아닙니다. 재실행에서 눈에 띄는 점이 있어 사람이 확인합니다",
}
TIERS = {
    "en": {
        "verified": "All code that ran is the course's own; the submission only names it.",
        "audited": "It brings its own code, which ran in a sandbox; a record of the rerun is kept for a person to see.",
    },
    "ko": {
        "verified": "실행된 코드는 모두 수업에서 제공한 것이며, 제출물은 그 이름만 씁니다.",
        "audited": "직접 작성한 코드가 있어 샌드박스에서 실행했고, 그 기록을 사람이 볼 수 있게 남겼습니다.",
    },
}


def advice(entry: Entry, language: str = "en") -> str:
    """What to do about a reason; empty where there is nothing to say."""
    return next((text for part, text in ADVICE[language].items() if part in entry.reason), "")
