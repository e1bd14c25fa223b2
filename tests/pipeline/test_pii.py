import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import records
from pipeline.records import Record
from pipeline.text import pii

# Written by hand: what must go, between ‹ and ›, and what must stay.
EMAILS = """
Write to ‹jane.doe@uni-bonn.de›.
Mail (‹max_m@firma.co.uk›) or call.
"‹o'brien@mail.ie›" wrote back
<‹first+tag@sub.host.info›>
Kontakt: ‹müller@bücher.de›, danke
‹a@b.io›
see mailto:‹sales@shop.online›
‹x.y-z@xn--bcher-kva.at›
E-Mail ‹USER@HOST.COM›!
‹почта@пример.рф›
"""
NO_EMAILS = """
icon@2x.png and getty@tty1.service
@handle said; @user@social.example.org
git@github.com:owner/name.git
ssh://root@host.example.net/path
https://user:secret@host.com/x
a@ b @c @ d@
name@localhost
lodash@4.17.21
C@ts and d@gs
info@example.com
$@ and @_ in Perl, my @list = (1);
foo@bar..com
one@two@three.com
"""
IPS = """
client ‹86.59.21.38› connected
from ‹133.11.93.0›/24 to ‹151.101.1.140›:443
http://‹93.184.216.34›/index
[‹45.33.32.156›] banned
‹212.58.244.20›.
host ‹2a00:1450:4009:80b::200e› is up
(‹2606:4700:4700::1111›)
IP: ‹81.200.60.11›, user bob
‹62.75.144.88› - - [10/Oct/2000] "GET /"
"""
NO_IPS = """
10.0.0.1 192.168.178.24 172.16.44.90 127.0.0.1 169.254.10.99
192.0.2.55 198.51.100.77 203.0.113.99 224.0.0.251 255.255.255.0
version 86.59.21.38 and Firefox/86.59.21.38
Section 3.2.1.1 of RFC 1.1.1.1
2.5.29.37 and 1.3.6.1.4.1.311
999.59.21.38 086.059.021.038
86.59.21 and 86.59.21.38.5
package-86.59.21.38-1 v86.59.21.38
12:34:56 2023:10:12 aa:bb:cc:dd:ee:ff
std::vector dead::beef fe80::1 ::1 2001:db8::99
10.1038/86.59
Chrome/91.0.4472.124 Safari/537.36
"""
PHONES = """
Call ‹+49 30 901820› today
Tel.: ‹030/26 35 99-0›
phone ‹(212) 664-7665›, daily
‹212-664-7665› or ‹212.664.7665›
Fax: ‹0228 99 77990›
‹+1 (415) 626-2000›
(‹+44 20 7219 3000›)
‹020 7219 3000›
‹01 40 20 50 50› or ‹01.40.20.50.50›
‹03-3581-3111›
‹0049 89 2180 0›
Telefon ‹07531 880›
☎ ‹5551234›
‹1-800-829-1040›
‹+33 1 40 20 50 50›.
WhatsApp ‹+5511987654321›
тел. ‹8 495 697-03-49›
‹+91 98765 43210›
‹(030) 227-022›
‹(512) 664-7665› (from outside), ‹(512) 664-7665› (7 days)
"""
NO_PHONES = """
2024-01-15, 15.01.2024, 01/15/2024 and 15/01/24
1914-1918 and 1939-1945; 1990/91; 2019-2020
ISBN 978-3-16-148410-0 or 0-306-40615-2 or 3-540-19234-7
ISSN 2049-3630, PMID 19153135, DOI 10.1000/182
52.5200, 13.4050 and 3.14159265358979
1,234,567.89 and 1 234 567 and 1.234.567 EUR
order 1234567890, id 20240115093000
4111 1111 1111 1111
12:34:56.789 and 10:30-11:45
192.168.100.200 and 86.59.21.38
BGBl. I 2021, 703 - 713; § 12 34
score 21-14 25-23 17-21
$5,000-10,000 and 100-200 km
05 12 1972 and 7 024 000
US 5,123,456 B2 and EP 0 123 456
1024x768 800-600 640-480
pages 123-4567 and 12345-678
UTC+01:00 x+12345678 1+2000000000
123-45-6789
80331 München, 10115 Berlin
+1000 +2000 +3000
call 911 or dial 112
0.0000123456 00000123456
202-555-0143 and +1 202-555-0143
IBAN DE89 3704 0044 0532 0130 00
"""
TABLE = {
    "email": (EMAILS, NO_EMAILS),
    "ip": (IPS, NO_IPS),
    "phone": (PHONES, NO_PHONES),
}
MARKED = re.compile("‹([^›]*)›")


def found(line: str, kind: str) -> list[str]:
    """Return what was replaced in a line, as it stood there."""
    text = line.replace("‹", "").replace("›", "")
    done, counts = pii.replace(text, [kind])
    pieces: list[tuple[int, int, str, str]] = []
    original = pii._substitute

    def keep(text, spans, counts):
        pieces.extend(spans)
        return original(text, spans, counts)

    pii._substitute = keep
    try:
        pii.replace(text, [kind])
    finally:
        pii._substitute = original
    assert counts.get(kind, 0) == len(pieces)
    assert (done == text) == (not pieces)
    return [text[begin:end] for begin, end, _, _ in pieces]


@pytest.mark.parametrize("kind", pii.KINDS)
def test_the_labelled_table(kind):
    for lines in TABLE[kind]:
        for line in lines.strip().splitlines():
            assert found(line, kind) == MARKED.findall(line), line


@given(
    st.lists(
        st.sampled_from(
            [*"0123456789+()./:-@ \n", "Tel. ", "a@b.de", "86.59.21.38", "2a00::", "+49 30 1234567"]
        )
        | st.text(max_size=3),
        max_size=30,
    ).map("".join)
)
def test_what_was_replaced_is_not_replaced_again_and_order_does_not_matter(text):
    done, counts = pii.replace(text, pii.KINDS)
    assert (done == text) == (not counts)
    again, _ = pii.replace(done, ["email", "ip"])
    assert again == pii.replace(done, ["ip", "email"])[0]
    assert pii.replace(text, pii.KINDS) == (done, counts)


@pytest.mark.parametrize("kind", pii.KINDS)
def test_replacements_are_examples_and_depend_on_what_they_replace_alone(kind):
    lines = TABLE[kind][0].replace("‹", "").replace("›", "")
    once, counts = pii.replace(lines, [kind])
    assert pii.replace(once, pii.KINDS)[1].get(kind, 0) == 0
    apart = "\n".join(pii.replace(line, [kind])[0] for line in lines.split("\n"))
    assert apart == once
    wanted = {
        "email": r"@example\.(com|org|net)",
        "ip": r"192\.0\.2\.|198\.51\.100\.|203\.0\.113\.|2001:db8::",
        "phone": r"202-555-01\d\d",
    }
    assert len(re.findall(wanted[kind], once)) == counts[kind]


@pytest.mark.parametrize(
    "text",
    [
        "1" * 1_000_000,
        "1." * 500_000,
        "+1 " * 300_000,
        "a@" * 500_000,
        "@" * 1_000_000,
        "a." * 300_000 + "@" + "b." * 300_000,
        "a" * 500_000 + "@" + "b-" * 250_000,
        "2a00:" * 200_000,
        ":" * 1_000_000,
        "(1) " * 250_000,
        "1 (" * 300_000,
        "12.34.56.78" * 90_000,
        "0 / 1 - " * 120_000,
        "Tel. " * 200_000,
        "0123 4567 " * 100_000,
        "a@b.c" * 200_000,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_hostile_texts_take_linear_time(text):
    begin = time.process_time()
    pii.replace(text, pii.KINDS)
    assert time.process_time() - begin < 8


def test_the_option_replaces_and_counts_in_every_field_of_a_record():
    section = {"sample": 1.0, "replace": ["email", "phone"]}
    record = Record(key="1", text="Ask a@b.de or c@d.fr, Tel. 030/123456.", author="A <a@b.de>")
    (done,) = records.finish([record], section)
    assert done.counts == (("num_replaced_email", 3), ("num_replaced_phone", 1))
    assert "a@b.de" not in done.text + done.author
    (kept,) = records.finish([record], {"sample": 1.0, "replace": []})
    assert kept.text == record.text
    assert kept.counts == ()
