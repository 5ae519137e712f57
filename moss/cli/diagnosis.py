"""doctor: what is wrong with a system, and what helps."""

from moss.cli.session import Answer, Session
from moss.cli.text import Page, count, plain
from moss.operations.doctor import Finding, diagnose


def doctor(session: Session) -> Answer:
    """Looks at what is quick to look at: permissions, file systems, free space, the record and its copy,
    interrupted transactions, trees, repositories, /etc, and what you asked for. Exits with 1 where there is
    a problem. `verify` reads every file."""
    found = diagnose(session.settings.directory, session)
    return Answer(
        lambda page: findings_text(found, page),
        lambda: {"healthy": not _problems(found), "findings": [finding_data(one) for one in found]},
        exit_code=1 if _problems(found) else 0,
    )


def _problems(found: tuple[Finding, ...]) -> int:
    return sum(one.is_problem for one in found)


def findings_text(found: tuple[Finding, ...], page: Page) -> str:
    lines: list[str] = []
    for one in found:
        label = page.red("problem:") if one.is_problem else page.yellow("note:")
        lines.append(f"{label} {plain(one.text)}")
        if one.remedy is not None:
            lines.append(f"  {page.bold('try')}      {plain(page.at(one.remedy))}")
    problems = _problems(found)
    lines.append(f"{count(problems, 'problem')}." if problems else page.green("Nothing is wrong."))
    return "".join(line + "\n" for line in lines)


def finding_data(finding: Finding) -> dict[str, object]:
    return {
        "area": finding.area,
        "problem": finding.is_problem,
        "text": finding.text,
        "remedy": finding.remedy,
    }
