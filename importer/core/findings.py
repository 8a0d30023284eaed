"""Finding: something to say about the data; and the catalogue of codes that all messages, reports and help texts come from."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from importer.core.rows import Line, cell_address

VALUE_SHOWN = 120
"""So many characters of a cell are quoted in a finding."""


class Severity(StrEnum):
    """How much a finding weighs: an error keeps its row from being sent, a warning wants a look, a note is for the record."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Code:
    """One entry of the catalogue. `message` and `fix` are our own templates; what is put into them is never interpreted."""

    severity: Severity
    message: str
    fix: str
    why: str  # for `importer explain`


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong or worth knowing, where, and how to mend it."""

    code: str
    severity: Severity
    message: str
    fix: str
    sheet: str | None = None
    cell: str | None = None  # `Tasks!C17`
    line: Line | None = None
    heading: str | None = None
    value: str | None = None  # as found, cut to VALUE_SHOWN characters


_E, _W, _N = Severity.ERROR, Severity.WARNING, Severity.NOTE

CATALOGUE: dict[str, Code] = {
    # F: the file
    "F101": Code(_E, "The file cannot be opened: {problem}.", "Check the path and that you may read the file.", "The operating system would not open the file."),
    "F102": Code(_E, "The file is empty.", "Save the spreadsheet again and hand in the new file.", "The file has no content at all, often an export or a copy that was cut off."),
    "F103": Code(_E, "The table has a header row but no rows below it.", "Check that the right sheet and file were chosen (--sheet NAME).", "There is nothing to import."),
    "F104": Code(_E, "This is {found}, which the importer does not read.", "Open it in your spreadsheet program and save it as .xlsx or .csv.", "Only .xlsx, .xlsm and .csv files are read; the content decides, not the file's name."),
    "F105": Code(_E, "The workbook is protected by a password to open.", "Open it in Excel, remove the password (File, Info, Protect Workbook) and save it again.", "An encrypted workbook cannot be read."),
    "F106": Code(_E, "This is {found}, not a spreadsheet.", "Open it in your spreadsheet program and save it as .xlsx or .csv.", "Some systems export a web page or another document under a spreadsheet's name."),
    "F107": Code(_E, "The workbook is damaged: {problem}.", "Open it in Excel, let it repair the file, and save it as a new .xlsx.", "A part of the workbook that is needed to read it is missing or broken."),
    "F108": Code(_E, "The workbook contains XML declarations (DTD, entities) that no spreadsheet program writes.", "Do not use this file; ask where it comes from.", "Such declarations are a known way to attack programs that read the file."),
    "F109": Code(_E, "The file could not be read: {problem}.", "Open it in your spreadsheet program, copy the rows into a new workbook, and save that.", "Reading happens in a process of its own with limits on memory and time; it hit a limit or died, and nothing else was harmed."),
    "F110": Code(_E, "There is no sheet named {wanted}; the workbook has: {sheets}.", "Name one of these with --sheet.", "The sheet asked for is not in the workbook."),
    "F111": Code(_E, "The file contains NUL bytes at line {line}.", "Export it again as CSV UTF-8; if it was meant to be UTF-16, save it with a byte order mark.", "NUL bytes mean binary content or an unmarked UTF-16 encoding; reading on would be guessing."),
    "F112": Code(_E, "The file is beyond a limit: {problem}.", "Delete unused rows and columns, or copy the rows into a new workbook. {setting}", "Limits keep a damaged or hostile file from exhausting the machine."),
    "F113": Code(_E, "The workbook has no visible sheet with rows.", "Unhide the sheet, or name one with --sheet.", "Only visible sheets are read unless one is named."),
    "F114": Code(_E, "The quote opened at line {line} is never closed.", "Close the quote, or export the file again from your spreadsheet program.", "Everything after an open quote would end up in one cell."),
    "F115": Code(_E, "A text cannot be decoded as {encoding}: {problem}.", "Save the file as CSV UTF-8.", "The bytes do not fit the encoding that the file announces or that was found."),
    "F116": Code(_E, "The file was changed while it was read.", "Close it in other programs and try again.", "Its hash before and after reading differ, so what was read may be half of each."),
    "F201": Code(_W, "The encoding is not marked; {encoding} was assumed.", "Check accented letters in the preview, or save the file as CSV UTF-8.", "A CSV file does not tell its encoding. UTF-8 is recognised for certain; anything else is a guess, so it is said."),
    "F202": Code(_N, "Blank lines that were skipped: {count}.", "Nothing to do.", "Blank lines are counted and left out; line numbers stay those of the spreadsheet."),
    "F203": Code(_N, "Other sheets that were not read ({count}): {sheets}.", "Choose another with --sheet.", "One sheet is read: the first visible one, or the one named by --sheet."),
    "F204": Code(_W, "Hidden sheets that were not read ({count}): {sheets}.", "Unhide the sheet, or name it with --sheet, if its rows are meant.", "Hidden sheets are never read unless named."),
    "F205": Code(_W, "Hidden or filtered rows, read like the others ({count}): {lines}.", "Delete them if they are not meant to be imported.", "What is hidden is still in the file; the importer does not guess whether it is meant."),
    "F206": Code(_W, "Merged areas ({count}): {areas}. Only the first cell of each has a value.", "Unmerge the cells and fill each one.", "A merged area keeps its value in its first cell; the others are blank."),
    "F207": Code(_N, "Formulas read by their stored values: {count}, the first at {cell}.", "Recalculate and save the workbook if the values may be old.", "The importer never calculates; it takes the value that the spreadsheet program stored."),
    "F208": Code(_N, "The header row is line {line}; what stands above it was not read (lines: {count}).", "Name another with --header-row.", "The row that fits the known headings best is taken as the header row."),
    "F209": Code(_N, "The delimiter {delimiter} was found by its consistency over {records} records.", "Check the columns in the preview.", "A CSV file does not tell its delimiter."),
    "F210": Code(_N, "Comments that are not imported: {count}.", "Nothing to do.", "Comments belong to the workbook, not to the rows."),
    "F211": Code(_W, "Hidden columns, read like the others ({count}): {columns}.", "Delete them if they are not meant to be imported.", "What is hidden is still in the file."),
    "F212": Code(_N, "The workbook counts dates from 1904.", "Nothing to do; dates are converted.", "Some workbooks made on a Mac count dates from 1904."),
    "F213": Code(_W, "Lines that were to be left out and hold no row ({count}): {lines}.", "Compare the numbers with the spreadsheet: a row that was meant may still be sent.", "Lines are numbered as the spreadsheet shows them; a number that hits nothing may be a slip."),
    # H: the headings
    "H301": Code(_E, "No column for {field} was found. The headings are: {headings}.", "Rename the column to “{name}”, or name it in a mapping (importer map FILE).", "A required field has no column."),
    "H302": Code(_E, "Two columns stand for {field}: {headings}.", "Rename or delete one of them, or choose one in a mapping.", "The importer does not guess which of two columns is meant."),
    "H303": Code(_W, "The heading {heading} looks like {name}, but is not taken for it.", "If it is meant, rename it to “{name}” or map it.", "Near matches are suggested and never taken silently."),
    "H304": Code(_N, "Columns that are not used ({count}): {headings}.", "Nothing to do, or map them as attributes.", "Columns without a field stay in the reports and are not sent."),
    "H305": Code(_W, "Column {letter} has values but no heading.", "Give it a heading.", "A column without a heading cannot be matched to a field."),
    "H307": Code(_E, "The mapping names the heading {heading}, which the file does not have. The headings are: {headings}.", "Correct the heading in the mapping.{suggestion}", "A mapping's headings must be in the file."),
    "H308": Code(_E, "The heading {heading} stands twice, at columns {columns}, and the mapping uses it.", "Rename one of them.", "The importer does not guess which of two equal headings is meant."),
    # V: the values
    "V201": Code(_E, "The external ID is blank.", "Fill in an ID that is unique to this request.", "The external ID is what keeps one request from becoming two tasks."),
    "V202": Code(_E, "The external ID has {length} characters; at most {limit} are allowed.", "Shorten it.", "The target accepts so many characters."),
    "V203": Code(_E, "{name} contains invisible characters ({characters}).", "Type it again instead of copying it.", "Control, zero-width and direction characters make two different texts look alike."),
    "V204": Code(_E, "The external ID {value} was damaged by Excel: it is a number in E-notation, its last digits are lost.", "Format the column as Text before typing or pasting, then enter the IDs again.", "Excel shows numbers of 12 digits and more as 1.23E+11; saved as CSV, the digits are gone."),
    "V205": Code(_E, "The external ID {value} is a number of more than 15 digits; Excel has replaced the last ones by zeros.", "Format the column as Text before typing or pasting, then enter the IDs again.", "Excel keeps 15 digits of a number."),
    "V206": Code(_N, "The external ID is a number in the workbook; leading zeros, if there were any, are gone.", "Format the column as Text if your IDs have leading zeros.", "A number has no leading zeros."),
    "V211": Code(_E, "The queue is blank.", "Fill in the queue's name or ID.", "Every task goes to one queue."),
    "V212": Code(_E, "The queue has {length} characters; at most {limit} are allowed.", "Check the cell: it does not look like a queue's name.", "No queue has a name that long."),
    "V221": Code(_E, "The name is blank.", "Fill in a name, or have a mapping make one out of other columns.", "Every workitem has a name."),
    "V222": Code(_E, "The name has {length} characters; {low} to {limit} are allowed.", "Change it, or allow shortening in the mapping ([overflow]) where it is too long.", "The target accepts so many characters (characters, not bytes)."),
    "V231": Code(_E, "The worktype is blank.", "Fill in the worktype's name or ID, or set it for the whole file in the mapping ([constants]).", "Every workitem has a worktype."),
    "V232": Code(_E, "{name}: a name or ID has {length} characters; at most {limit} are allowed.", "Check the cell: it does not look like a name.", "Nothing in Genesys Cloud has a name that long."),
    "V241": Code(_E, "“{value}” is neither an e-mail address nor a user's ID.", "Type the person's e-mail address as it stands in Genesys Cloud.", "Names of people are not unique, so a person is found by e-mail address or ID."),
    "V242": Code(_E, "“{value}” is not the ID of an external contact.", "Copy the ID from the contact in Genesys Cloud; it looks like 3f2504e0-4f89-41d3-9a0c-0305e82c3301.", "Names of contacts are not unique, so a contact is given by its ID."),
    "V251": Code(_E, "The cell names {count} skills; at most {limit} are allowed.", "Leave out the less important ones.", "The importer sends so many skills with a workitem."),
    "V252": Code(_E, "The cell names no skill.", "Name skills with ; or , between them, or leave it blank.", "The cell has separators, but nothing stands between them."),
    "V303": Code(_E, "Priority “{value}” is not a whole number.", "Type a whole number from {low} to {high}, or leave it blank for {default}.", "Priorities are whole numbers in plain digits."),
    "V304": Code(_E, "Priority {value} is outside {low}–{high}.", "Type a whole number from {low} to {high}, or leave it blank for {default}.", "The target accepts only this range."),
    "V305": Code(_E, "Type “{value}” is unknown.{suggestion}", "Use one of: {types}; or leave it blank for {default}.", "The target knows only these types."),
    "V311": Code(_E, "The description is blank.", "Fill in a short description of the task.", "The target refuses tasks without a description."),
    "V312": Code(_E, "The description has {length} characters; at most {limit} are allowed.", "Shorten it to {limit} characters, or allow shortening in the mapping ([overflow]).", "The target accepts so many characters (characters, not bytes)."),
    "V313": Code(_N, "The {name} was shortened from {length} to {limit} characters.", "Nothing to do; the mapping asks for it.", "The mapping's [overflow] says “shorten” for this field."),
    "V320": Code(_E, "The cell shows the error {value}.", "Correct the formula in the spreadsheet.", "An error value is not a value."),
    "V321": Code(_E, "The formula has no stored value.", "Open the workbook in Excel, let it calculate, and save it.", "The program that wrote the workbook did not calculate it."),
    "V322": Code(_W, "The cell shows the error {value}; its column is not sent.", "Nothing to do, or correct it in the spreadsheet.", "An error value in a column that is not used."),
    "V330": Code(_N, "White space around the value was removed.", "Nothing to do.", "Blanks before and after a value are never meant."),
    "V331": Code(_E, "The row has {found} cells where the header has {expected}.", "Check for an unquoted delimiter in a text; the cells may be shifted.", "A row with more cells than headings has most likely slipped to the right."),
    "V332": Code(_W, "The row has {found} cells where the header has {expected}; the missing ones count as blank.", "Check that the row is complete.", "A row that ends early may have been cut off."),
    "V340": Code(_E, "The attribute {name} has {length} characters; at most {limit} are allowed.", "Shorten it.", "The importer sends attributes up to this length."),
    "V341": Code(_W, "The description contains control characters ({characters}).", "Type the text again.", "Such characters are usually left over from copying."),
    "V350": Code(_E, "{name} is blank.", "Fill it in: the worktype needs it.", "The worktype's schema makes this custom field a required one."),
    "V351": Code(_E, "{name} has {length} characters; allowed are {low} to {high}.", "Change the text.", "The worktype's schema sets these limits."),
    "V352": Code(_E, "{name}: “{value}” is not one of its choices.{suggestion}", "Use one of: {choices}.", "The worktype's schema lists what this custom field may hold."),
    "V353": Code(_E, "{name}: “{value}” is not a web address.", "Type the whole address, such as https://example.com/page.", "The worktype's schema makes this custom field a web address."),
    "V355": Code(_E, "{name}: “{value}” is not a whole number.", "Type a whole number in plain digits, such as 1200.", "The worktype's schema makes this custom field a whole number."),
    "V356": Code(_E, "{name}: “{value}” is not a number.", "Type a number with plain digits and a point, such as 1200.5.", "A comma means a decimal to some and a thousand to others, so it is not guessed."),
    "V357": Code(_E, "{name}: {value} is outside {low} to {high}.", "Type a number from {low} to {high}.", "The worktype's schema sets these limits."),
    "V358": Code(_E, "{name}: “{value}” is neither yes nor no.", "Type yes or no.", "The worktype's schema makes this custom field a checkbox."),
    "V359": Code(_E, "{name} has {count} entries; allowed are {low} to {high}.", "Change the list; its entries have ; between them.", "The worktype's schema sets these limits."),
    "V361": Code(_E, "{name}: “{value}” cannot be read as a date.", "Write it as 2026-12-18, 2026-12-18 17:00 or 18.12.2026.", "Only forms that cannot be mistaken are read."),
    "V362": Code(_E, "{name}: in “{value}” it is not clear which is the day and which the month.", "Write it as 2026-12-18 or 18.12.2026.", "12/11/2026 is in November in Europe and in December in the United States, so it is not guessed."),
    "V363": Code(_E, "{name}: there is no such date or time as “{value}”.", "Correct it.", "The form is right, but the calendar or the clock has no such value."),
    "V364": Code(_E, "{name}: the clocks in {time_zone} are changed at “{value}”, so that time does not exist or comes twice.", "Write it with its offset, such as 2026-10-25T02:30:00+01:00.", "Where summer time begins an hour is skipped, where it ends one is repeated."),
    "V365": Code(_E, "{name}: “{value}” cannot be read as a duration.", "Write it as 90 min, 1h 30m, 2 d or 01:30:00.", "Only forms that cannot be mistaken are read."),
    "V366": Code(_E, "Duration “{value}” is longer than {days} days.", "Type a shorter one.", "The target accepts only this range."),
    "V367": Code(_N, "The duration {value} was read as {value} seconds.", "Nothing to do; write {value} min if minutes are meant.", "A number without a unit means seconds, as in Genesys Cloud."),
    # D: tasks that are there already
    "D401": Code(_E, "The external ID {value} stands already at line {first}.", "Remove one of the two rows, or give it another ID.", "One external ID becomes one task."),
    "D402": Code(_N, "A task with this external ID exists already: {task_id}.", "Nothing to do.", "What exists is not created again."),
    "D403": Code(_N, "The run {run} created this task: {task_id}.", "Nothing to do.", "The ledger knows what earlier runs created."),
    "D404": Code(_W, "The existing task differs in {fields}; it is not updated.", "Change the task in Genesys Cloud if the row is right.", "The importer creates tasks and never changes them."),
    "D405": Code(_N, "The ledger knows this task, but the target does not show it now.", "Look for it in Genesys Cloud: it may have been deleted.", "A task that an earlier run created is not found any more."),
    "D406": Code(_W, "{count} tasks have this external ID: {task_ids}.", "Close the ones that are too many in Genesys Cloud.", "Someone created the same request more than once."),
    "D407": Code(_W, "The run {run} has sent this row and its outcome is still unknown.", "Resume that run first (importer resume {run}).", "What may have been created is looked up before anything is sent again."),
    # Q: the queues
    "Q501": Code(_E, "The queue “{value}” does not exist.{suggestion}", "Correct the name, or use the queue's ID.", "Tasks can only go to a queue that exists."),
    "Q502": Code(_E, "The queue “{value}” is closed.", "Open the queue, or choose another.", "A closed queue takes no tasks."),
    "Q503": Code(_W, "The queue “{value}” is in transition and may refuse tasks for a while.", "Nothing to do; refused tasks are tried again.", "A queue in transition answers 409 until it is open."),
    "Q504": Code(_E, "The queue “{value}” has no room left ({members} of {limit}).", "Make room in the queue, or choose another.", "A full queue takes no tasks."),
    "Q505": Code(_W, "{rows} rows go to the queue “{value}”, which has room for {room} now.", "Tell whoever runs the queue; the rows are still sent.", "Creating a task adds no member, so this is a warning."),
    "Q506": Code(_E, "{count} queues are named “{value}”.", "Use the queue's ID: {ids}.", "Names are compared without regard to case; two equal names cannot be told apart."),
    "Q511": Code(_E, "The {kind} “{value}” does not exist.{suggestion}", "Correct the name, or use its ID.", "The target takes IDs; names are looked up in its own lists, without regard to case."),
    "Q512": Code(_E, "{count} of the target's lists' entries are called “{value}” ({kind}).", "Use the ID: {ids}.", "Names are compared without regard to case; equal ones cannot be told apart."),
    "Q513": Code(_E, "The {kind} “{value}” is not in use any more.", "Choose another, or have it put in use again.", "The target lists it as inactive or deleted."),
    "Q514": Code(_E, "The {kind} “{value}” is in the division “{other}”, the worktype “{worktype}” in “{division}”.", "Choose a {kind} of the worktype's division.", "Queue, workbin and worktype of a workitem must be in one division; the target refuses it otherwise."),
    "Q515": Code(_E, "{name} {value} is more than 365 days ahead.", "Choose an earlier date.", "The target takes dates of the next 365 days."),
    "Q516": Code(_E, "Expires {value} is less than an hour ahead, or past.", "Choose a later date.", "The target asks for an hour at least, counted from the moment of creation."),
    "Q517": Code(_W, "Due {value} is past.", "Check the date; the workitem would be overdue at once.", "A due date in the past is usually a mistake."),
    "Q518": Code(_E, "The worktype “{worktype}” has no custom field {name}.{suggestion}", "Correct the heading, or leave the cell blank.", "Custom fields are those of the worktype's schema."),
    "Q519": Code(_E, "A wrap-up code needs a queue, and neither the row nor its worktype has one.", "Name a queue, or leave the wrap-up code blank.", "Wrap-up codes belong to queues."),
    "Q520": Code(_N, "The queue “{value}” has {joined} of {members} members on duty now; how many workitems it takes is not known before they are created.", "Nothing to do.", "The target tells members only; a queue that is full refuses at creation, and that row is then told as failed."),
    "Q521": Code(_N, "Existing workitems are looked up {how}.", "Nothing to do.", "Which way the platform takes is found out at run time; it decides how many calls a preview needs."),
    "Q522": Code(_W, "The worktype “{value}” does not send its workitems to a queue as they are created (assignment is off).", "Have assignment turned on in the worktype if they are to be routed at once.", "Whether a queue named by a row starts routing then is not documented."),
    "Q523": Code(_E, "The target itself refuses this row: {problem}.", "Correct what it names.", "--server-check had the target check the rows by a job that was never started and is deleted again."),
    # P: what a person decided
    "P701": Code(_N, "The row was left out: {reason}", "Nothing to do, unless the reason is gone.", "A person chose not to send this row, and said why."),
    "P702": Code(_N, "Left out by {who} when the plan was approved: {reason}", "Nothing to do, or hand the row in again.", "Leaving rows out, with a reason, is part of an approval."),
    "P703": Code(_W, "Not sent, for what it rests on changed after the plan was made. {change}.", "Hand the row in again when that is settled.", "Queues, worktypes and workbins are read again right before sending; on_drift = skip leaves out the rows of those that changed."),
    # S: sending
    "S601": Code(_E, "The target refused the row ({status}): {problem}", "Correct the row and hand it in again from the Rejects sheet.", "The target's own rules go beyond what can be checked before."),
    "S602": Code(_W, "The answer was lost and the task could not be found yet.", "Run importer reconcile {run} later; do not enter the row by hand.", "It is not known whether the task was created. It is looked up before anything is sent again; --resend sends it once it is surely absent."),
    "S603": Code(_W, "The row was not sent: {problem}", "Run importer resume {run}.", "The run stopped before this row's turn."),
    "S604": Code(_E, "The target answered 409 and no task with this external ID was found.", "Wait until the queue is open and hand the row in again.", "A queue in transition answers 409."),
    "S605": Code(_W, "The existing task differs in {fields}; it was not updated.", "Compare the two, and change the task in Genesys Cloud if the row is right.", "The importer creates tasks and never changes them."),
    "S606": Code(_W, "{count} tasks have this external ID: {task_ids}.", "Close the ones that are too many in Genesys Cloud.", "Someone created the same request more than once; the importer sends nothing for it."),
    # A: audits and states
    "A801": Code(_W, "The audit entries may not be read (403: {problem}).", "Ask for the scope audit:view (workitems: for the permissions audits:audit:view and workitems:workitem:view) and run importer track.", "Audits have a scope or permission of their own."),
    "A802": Code(_W, "The audit entries could not be fetched: {problem}", "Run importer track RUN later.", "Audits are fetched last and never fail a row."),
    "A803": Code(_W, "The task was created, but has no creation audit entry.", "Run importer track RUN later; if it stays so, ask your administrator.", "Every created task should have one."),
}  # fmt: skip


def finding(
    code: str,
    *,
    sheet: str | None = None,
    column: int | None = None,
    line: int | None = None,
    heading: str | None = None,
    value: str | None = None,
    **facts: Any,
) -> Finding:
    """A finding from the catalogue, its texts filled in with `facts`.

    Raises KeyError for a code or fact that is missing.
    """
    entry = CATALOGUE[code]
    shown = None if value is None else shorten(value, VALUE_SHOWN)
    facts = {"value": shown or "", "heading": f"“{heading}”", "line": line, **facts}
    return Finding(
        code=code,
        severity=entry.severity,
        message=entry.message.format_map(facts),
        fix=entry.fix.format_map(facts),
        sheet=sheet,
        cell=cell_address(sheet, column, line) if column is not None and line is not None else None,
        line=Line(line) if line is not None else None,
        heading=heading,
        value=shown,
    )


def shorten(text: str, limit: int) -> str:
    """`text` in at most `limit` characters, its end replaced by … where it was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def listed(items: Iterable[str], most: int = 8) -> str:
    """`a, b, c and 4 more`."""
    names = list(items)
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def worst(findings: Iterable[Finding]) -> Severity | None:
    """The gravest severity among the findings, or None where there are none."""
    severities = {each.severity for each in findings}
    return next((severity for severity in Severity if severity in severities), None)
