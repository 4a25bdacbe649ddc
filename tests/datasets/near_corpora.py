# ruff: noqa: RUF001 - full-width marks stand here on purpose
"""Small corpora of which it is known what is the same: (prompt, answer, cluster) each.

Rows of one cluster are one question for a model that learns by heart; rows of two clusters are not.
Here are corpora with clusters; near_lookalikes.py has those that only look as if they had some.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator

Row = tuple[str, str, object]
Corpus = list[Row]

FAQ = {
    "How do I reset my password?": "Open Settings, choose Security and press Reset password.",
    "Where can I see my invoices?": "All invoices stand under Account, Billing history.",
    "Can I change the delivery address?": "Yes, until the parcel has left our warehouse.",
    "How do I cancel my subscription?": "Choose Account, Plan and then Cancel at the bottom.",
}
GREETINGS = (
    *("", "Hi!", "Hello,", "Good morning,", "Dear support team,", "Please help:"),
    *("Quick question:", "Hey there,", "I need assistance.", "One more thing:"),
)
NAMES = ("Anna", "Bob", "Chidi", "Dolores", "Emre", "Fatima", "Giovanni", "Hana", "Igor", "Jo")
CITIES = ("Paris", "London", "Cairo", "Lagos", "Lima", "Oslo", "Quito", "Rome", "Seoul", "Tunis")
NOUNS = (
    *("apple", "bridge", "candle", "doctor", "engine", "forest", "garden", "hammer", "island"),
    *("jacket", "kitchen", "ladder", "mirror", "needle", "orange", "pencil", "queen", "river"),
)
VERBS = ("sees", "carries", "paints", "forgets", "repairs", "sells", "follows", "hides")


def sentences(count: int, seed: int) -> list[str]:
    """Sentences of which no two are alike."""
    chance = random.Random(seed)
    clause = "the {} {} the {} near the {} and the {} behind a {}"
    words = [
        (chance.choice(NOUNS), chance.choice(VERBS), *(chance.choice(NOUNS) for _ in range(4)))
        for _ in range(count)
    ]
    return [clause.format(*chosen).capitalize() + "." for chosen in words]


def four_questions(chance: random.Random) -> Iterator[Row]:
    """300 rows of four questions with greetings and numbers."""
    for number in range(300):
        question, answer = chance.choice([*FAQ.items()])
        yield f"{chance.choice(GREETINGS)} {question} (ticket {number})", answer, question


def four_questions_in_front(chance: random.Random) -> Iterator[Row]:
    """The question first, what varies behind it."""
    tails = ("Thanks!", "Please answer soon.", "I have looked everywhere.", "Regards, {}", "")
    for number in range(200):
        question, answer = chance.choice([*FAQ.items()])
        tail = chance.choice(tails).format(chance.choice(NAMES))
        yield f"#{number}: {question} {tail}", answer, question


def names_before(chance: random.Random) -> Iterator[Row]:
    for _ in range(200):
        question, answer = chance.choice([*FAQ.items()])
        yield f"Hi, I am {chance.choice(NAMES)}. {question}", answer, question


def four_questions_as_labels(chance: random.Random) -> Iterator[Row]:
    labels = dict(zip(FAQ, ("account", "billing", "shipping", "account"), strict=True))
    for number in range(200):
        question, label = chance.choice([*labels.items()])
        yield f"{chance.choice(GREETINGS)} {question} Ref. {number}", label, question


def orders(chance: random.Random) -> Iterator[Row]:
    """Numbers that the answer repeats."""
    for number in range(100, 160):
        yield f"Where is my order {number * 37}?", f"Order {number * 37} is on its way.", "where"
        yield f"Cancel order {number * 41}.", f"Order {number * 41} is cancelled.", "cancel"


def dated_log_lines(chance: random.Random) -> Iterator[Row]:
    kinds = {
        "disk {} of server node-{} is full": "storage",
        "login of user {} failed after {} attempts": "security",
        "job {} finished in {} ms": "info",
    }
    for number in range(120):
        text, label = chance.choice([*kinds.items()])
        when = f"2026-0{1 + number % 9}-1{number % 9} 12:{number % 60:02}:00"
        yield f"{when} " + text.format(number, chance.randint(1, 999)), label, text


def light_edits(chance: random.Random) -> Iterator[Row]:
    """A word more, a full stop less, capitals: the usual near duplicates."""
    for number, text in enumerate(sentences(60, 7)):
        yield text, f"label {number % 3}", text
        if number % 3 == 0:
            yield text.upper().rstrip(".") + " !!", f"label {number % 3}", text
            yield text + " Really.", f"label {number % 3}", text


def footers(chance: random.Random) -> Iterator[Row]:
    """E-mails of three firms with footers far longer than what they say."""
    for number, text in enumerate(sentences(90, 8)):
        firm = ("Northwind", "Contoso", "Fabrikam")[number % 3]
        footer = (
            f"\n\n--\n{firm} Ltd, registered in England. This e-mail and any files with it are "
            f"confidential and meant for the addressee alone. If you are not the addressee, tell "
            f"{firm} at once and delete this e-mail. {firm} takes no liability for its content, "
            "nor for any damage by viruses. Think before you print."
        )
        yield f"Dear {firm} team,\n{text}{footer}", ("claim", "offer", "other")[number // 30], text


def footers_with_copies(chance: random.Random) -> Iterator[Row]:
    for text, label, cluster in footers(chance):
        yield text, label, cluster
        if len(str(cluster)) % 4 == 0:
            yield text.replace(" the ", " the old ", 1), label, cluster


def tickets(chance: random.Random) -> Iterator[Row]:
    """Tickets as a tool exports them: fields around a text, some of them sent twice."""
    kinds = ("hardware", "software", "access")
    for number, text in enumerate(sentences(70, 9)):
        for copy in range(2 if number % 5 == 0 else 1):
            head = f"Ticket INC{number * 97 + copy:07} | opened 2026-03-{1 + number % 28:02} | "
            who = f"reporter {chance.choice(NAMES)} | "
            yield head + who + text, kinds[number % 3], text


def code(chance: random.Random) -> Iterator[Row]:
    """Code: names and operators matter, white space and comments in words do not."""
    bodies = (
        "return a + b",
        "return a - b",
        "return a * b",
        "return max(a, b)",
        "raise KeyError(a)",
    )
    for name, body in itertools.product(("merge", "update", "visit", "resolve"), bodies):
        text = f"def {name}(a, b):\n    {body}"
        yield f"Explain this function:\n{text}", f"{name}: {body} explained", (name, body)
        if body == bodies[0]:
            spaced = text.replace("    ", "\t")
            yield f"Explain this function:\n\n{spaced}\n", f"{name}: {body} explained", (name, body)


def one_word(chance: random.Random) -> Iterator[Row]:
    for word in (*NOUNS, *VERBS):
        yield word, "noun" if word in NOUNS else "verb", word
    for word in NOUNS[:5]:
        yield word.upper() + ".", "noun", word
    yield from [(":)", "glad", 1), (":(", "sad", 2), ("?", "unsure", 3), ("!", "sure", 4)]


def chinese(chance: random.Random) -> Iterator[Row]:
    faq = {
        "我的订单什么时候发货": "我们会在两个工作日之内发货，请您耐心等待。",
        "怎么修改收货地址": "在订单详情页面点击修改地址即可。",
        "发票在哪里可以下载": "请在我的账户里面打开发票中心下载。",
        "如何申请退款": "请在订单页面选择申请退款并填写原因。",
    }
    for number in range(120):
        question, answer = chance.choice([*faq.items()])
        hello = chance.choice(("", "你好，", "您好！请问", "客服在吗？", "请帮忙，"))
        yield f"{hello}{question}？订单号{number * 331}", answer, question


def arabic(chance: random.Random) -> Iterator[Row]:
    faq = {
        "كيف يمكنني تغيير كلمة المرور الخاصة بي؟": "افتح الإعدادات ثم غير كلمة المرور.",
        "أين أجد فواتيري القديمة؟": "ستجد جميع الفواتير في صفحة الحساب.",
        "متى يصل الطلب إلى منزلي؟": "يصل الطلب خلال ثلاثة أيام عمل.",
    }
    for number in range(90):
        question, answer = chance.choice([*faq.items()])
        hello = chance.choice(("", "مرحبا،", "السلام عليكم،", "من فضلكم:"))
        digits = "".join("٠١٢٣٤٥٦٧٨٩"[int(digit)] for digit in str(number))
        yield f"{hello} {question} {digits}", answer, question


def vowel_signs(chance: random.Random) -> Iterator[Row]:
    words = ("كتاب", "مدرسة", "بيت", "شجرة", "سيارة", "بحر", "جبل", "قلم")
    for word in words:
        yield word, f"معنى {word}", word
        yield word[0] + "\u064e" + word[1:], f"معنى {word}", word


def noisy_labels(chance: random.Random) -> Iterator[Row]:
    """One label in forty is wrong; the numbers are still noise."""
    kinds = {"Printer {} does not print": "hardware", "Account {} is locked": "access"}
    for number, (text, label) in itertools.product(range(60), kinds.items()):
        wrong = number % 40 == 7
        yield text.format(number), "other" if wrong else label, text


def long_documents(chance: random.Random) -> Iterator[Row]:
    for number in range(30):
        text = " ".join(sentences(12, 100 + number))
        yield f"Summarise: {text}", f"Summary of document {number}", number
        if number % 3 == 0:
            changed = text.replace(" the ", " one ", 2)
            yield f"Summarise: {changed}", f"Summary of document {number}", number


def one_question(chance: random.Random) -> Iterator[Row]:
    """Nothing but one question."""
    for number in range(60):
        yield (
            f"{chance.choice(GREETINGS)} How do I reset my password? {number}",
            FAQ["How do I reset my password?"],
            1,
        )


def two_questions(chance: random.Random) -> Iterator[Row]:
    for number in range(40):
        question, answer = chance.choice([*FAQ.items()][:2])
        yield f"{chance.choice(GREETINGS)} {question} Case {number}", answer, question


def framed_on_both_sides(chance: random.Random) -> Iterator[Row]:
    """Labels, a greeting with a name and a number before, a closing behind."""
    labels = dict(zip(FAQ, ("account", "billing", "shipping", "plan"), strict=True))
    closings = ("Thanks!", "Best regards", "Thank you very much in advance", "")
    for number in range(250):
        question, label = chance.choice([*labels.items()])
        hello = chance.choice(("Dear team, customer {} here.", "Hello, case {}:", "Hi, it is {}."))
        yield f"{hello.format(number)} {question} {chance.choice(closings)}", label, question


def names_and_labels(chance: random.Random) -> Iterator[Row]:
    """Longer questions behind names, with labels for answers."""
    texts = {
        "The delivery arrived two days late and the parcel box was open on one side.": "shipping",
        "My invoice shows a tax rate that is not the one of the country I live in.": "billing",
        "The app closes by itself as soon as I open the second page of my orders.": "software",
    }
    for number in range(90):
        text, label = chance.choice([*texts.items()])
        yield f"{chance.choice(NAMES)} writes on day {number}: {text}", label, text


def ids_of_letters_and_digits(chance: random.Random) -> Iterator[Row]:
    for number in range(80):
        code = f"{chance.choice('abcdef')}{number:03x}{chance.choice('xyz')}9-{number * 7:05}"
        question, answer = chance.choice([*FAQ.items()])
        yield f"[{code}] {question}", answer, question


def answers_that_repeat_numbers_and_names(chance: random.Random) -> Iterator[Row]:
    """The answer's own number stays, the prompt's does not count."""
    for number in range(50):
        yield f"How long does parcel {number} take?", f"Parcel {number} takes 3 days.", "parcel"
        yield f"How heavy may letter {number} be?", f"Letter {number} may weigh 50 g.", "letter"


CORPORA: tuple[Callable[[random.Random], Iterator[Row]], ...] = (
    *(
        four_questions,
        four_questions_in_front,
        names_before,
        four_questions_as_labels,
        orders,
    ),
    *(
        dated_log_lines,
        light_edits,
        footers,
        footers_with_copies,
        tickets,
    ),
    *(
        code,
        one_word,
        chinese,
        arabic,
        vowel_signs,
    ),
    *(
        noisy_labels,
        long_documents,
        one_question,
        two_questions,
        framed_on_both_sides,
    ),
    *(
        names_and_labels,
        ids_of_letters_and_digits,
        answers_that_repeat_numbers_and_names,
    ),
)


def corpus(of: Callable[[random.Random], Iterator[Row]]) -> Corpus:
    """Return the rows of a corpus, each prompt once."""
    return list({row[0]: row for row in of(random.Random(1))}.values())
