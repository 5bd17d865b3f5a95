"""What a roster's roles mean. Whoever has one that is on neither list is a student, and told: a person of staff with a rank is seen
at once and mended, a student without a grade is not.
"""

import re

from grader.tables import heading

STUDENTS = (
    "student students learner participant auditor audit listener leader teamleader groupleader member teammember groupmember "
    "studentenrollment 학생 수강생 수강 청강생 청강 학습자 참가자 교환학생 조장 조원 팀장 팀원 모둠장 모둠원 대표 반장 부반장 과대표"
)
STAFF = (
    "staff teacher teachers instructor instructors coinstructor professor prof lecturer assistant teachingassistant ta tas headta "
    "tutor grader marker manager admin administrator coordinator designer coursecreator editingteacher noneditingteacher "
    "teacherenrollment taenrollment designerenrollment 교수 교수자 부교수 조교수 담당교수 책임교수 강사 교사 선생님 선생 조교 수업조교 "
    "교육조교 실습조교 튜터 멘토 운영자 관리자 채점자 스태프 직원"
)
APART = re.compile(r"[,;/|+&·]")  # between several in a cell


def roles_in(cell: str) -> list[str]:
    """The roles in a cell, as they are compared."""
    return [role for each in APART.split(cell) if (role := heading(each))]


def is_staff_s(cell: str) -> bool:
    """Whether a roster's role is one of staff."""
    return any(role in STAFF.split() for role in roles_in(cell))


def is_unknown(cell: str) -> bool:
    """Whether a role is on neither list."""
    return any(role not in (*STUDENTS.split(), *STAFF.split()) for role in roles_in(cell))
