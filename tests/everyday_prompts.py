"""Prompts of an everyday sort, invented here and taken from no data set: what most people ask a model most days.

Whoever tunes on them has no test left: nothing that builds a bundle reads this file.
"""

# ruff: noqa: RUF001
from __future__ import annotations

HELLO = "hello"

MAIL = "Write a polite email declining a meeting on Friday."

HARD_PROOF = (
    "Let f be a continuous real function on (0, ∞) such that for every x > 0 the sequence f(x), f(2x), f(3x), ... "
    "tends to 0. Give a complete and rigorous proof that f(x) tends to 0 as x tends to infinity. Then decide, with a "
    "proof or a counterexample, whether the statement stays true if f is only assumed to be Lebesgue measurable, "
    "and whether it stays true for continuous f if only f(2^n x) tends to 0 for every x > 0."
)

EVERYDAY: tuple[tuple[str, str, str], ...] = (
    ("en", "mail", MAIL),
    (
        "en",
        "mail",
        "Draft a short email to my landlord: the heating in the bedroom has been off since Tuesday, I need it fixed "
        "this week, and I am home after 5 pm.",
    ),
    (
        "en",
        "mail",
        'Reply to this and say yes, but ask whether we can start at 10 instead of 9:\n\n"Hi Dana, would you be free '
        "to walk the new starters through the warehouse next Wednesday at 9? It should take an hour at most. Best, "
        'Colin"',
    ),
    ("en", "mail", "write a thank you note to my daughter's piano teacher, she is moving to another town"),
    (
        "en",
        "mail",
        "Email to the whole team: the kitchen on the second floor is closed from 3 to 5 March, use the one on the "
        "fourth. Friendly, four sentences at most.",
    ),
    (
        "en",
        "mail",
        "Please write an out-of-office message for 14 to 28 July. Urgent matters go to Priya Nair, extension 214.",
    ),
    (
        "en",
        "mail",
        "Write a firm but civil complaint to a parcel service. The parcel was marked as delivered on 9 October at "
        "14:12, nobody in the house received it, the photo shows a door that is not ours, and the hotline hung up on "
        "me twice. I want the parcel or a refund of 86 euros within ten days.",
    ),
    (
        "en",
        "summary",
        "Summarise in one sentence: The town council voted on Monday to move the weekly market from the station "
        "square to the old harbour while the square is being rebuilt. Stallholders had asked for a lower rent during "
        "the eighteen months of building work, and the council agreed to cut it by a third.",
    ),
    (
        "en",
        "summary",
        "Give me the three main points of this text as bullets.\n\nSleep researchers have followed four hundred "
        "shift workers for two years. Those who kept the same bedtime on working days and free days reported fewer "
        "headaches and needed less coffee. The length of sleep mattered less than its regularity. The authors warn "
        "that people who can choose regular hours may differ in other ways, too, and plan a trial in which the hours "
        "are assigned by lot.",
    ),
    (
        "en",
        "summary",
        "tl;dr please: We looked into the outage of last Thursday. A certificate on the internal gateway had expired "
        "at 02:00. The renewal job had been switched off in August during the move to the new cluster and nobody had "
        "switched it on again. The alert went to a mailbox that is no longer read. Service came back at 04:40 after "
        "a manual renewal. We have enabled the job, moved the alert to the on-call channel, and listed all other "
        "certificates with their dates.",
    ),
    (
        "en",
        "summary",
        "Summarize the following product reviews in two sentences, one for what people like and one for what they "
        "dislike.\n1) Light, sits well, but the zip broke after a month.\n2) Love the colour! Pockets are too small "
        "for my phone.\n3) Kept me dry on a whole day in the hills. Zip feels cheap.\n4) Sent it back, sleeves too "
        "short. Material is great though.\n5) Third one I buy. Best rain jacket under 100.",
    ),
    (
        "en",
        "summary",
        "Make an abstract of at most 60 words out of this report of a school trip for the school's web page:\n\nOn "
        "Thursday class 6b took the early train to the coast. The first stop was the lighthouse, where the keeper's "
        "grandson showed us how the lamp was wound up by hand until 1961. Climbing the 212 steps was hard for some "
        "of us, but the view over the sandbanks was worth it. After a picnic on the dunes, during which a gull stole "
        "two sandwiches, we walked across the mudflats with a guide. We dug for lugworms, saw a seal far away, and "
        "learned why nobody should walk there alone: the tide comes in faster than one can run. Mia lost a boot and "
        "Tom carried her the last part. In the museum we made a model of a dyke and let water run against it. Ours "
        "broke first. On the way home nearly everybody slept. We thank Mr Abara and Ms Lindqvist, who counted us "
        "about a hundred times that day, and the parents' association, which paid for the train.",
    ),
    ("en", "summary", "What is the plot of Pride and Prejudice, in about 80 words?"),
    (
        "en",
        "rewriting",
        "Make this sound more professional: hey, just checking if u got my invoice from last month cause i still "
        "havent seen any money",
    ),
    ("en", "rewriting", "Fix the grammar: Me and him was going to the shop when it start raining heavy."),
    (
        "en",
        "rewriting",
        'Rewrite in plain English for a customer: "Pursuant to clause 7.2, the lessee shall be obligated to effect '
        'remediation of any deterioration exceeding fair wear and tear prior to surrender of the premises."',
    ),
    (
        "en",
        "rewriting",
        "Shorten this to under 160 characters for a text message: Dear Ms Okafor, we would like to remind you that "
        "your appointment with Dr Reyes takes place on Monday, 12 May at 8:45. Please bring your insurance card and "
        "arrive ten minutes early. If you cannot come, call us the day before.",
    ),
    (
        "en",
        "rewriting",
        "Turn these notes into one friendly paragraph for a newsletter: new bike racks, north entrance, 40 places, "
        "two with chargers, from Monday, old racks go away",
    ),
    (
        "en",
        "rewriting",
        "make it less aggressive: You never answer on time and I am tired of running after you for every single "
        "figure.",
    ),
    (
        "en",
        "rewriting",
        'Proofread, change as little as possible, and list what you changed: "The principle reason for the delay, is '
        "that there affected by the strike. Its not yet clear weather the goods will arive in time for the christmas "
        'season."',
    ),
    (
        "en",
        "planning",
        "Plan a three-day weekend in Edinburgh for two adults and a seven-year-old who loves trains. Not too much "
        "walking, one rainy-day option per day.",
    ),
    ("en", "planning", "I have 45 minutes for lunch and want to go to the gym, shower, and eat. Make me a schedule."),
    (
        "en",
        "planning",
        "Help me plan a surprise 60th birthday party for about 30 people with a budget of 900 dollars. List of tasks "
        "by week, starting six weeks before.",
    ),
    ("en", "planning", "Give me a 4 week plan to get from running 2 km to running 5 km without hurting my knees."),
    ("en", "planning", "We move house on the 30th. What should I do first?"),
    (
        "en",
        "planning",
        "Break this into tasks with rough estimates in hours: we want to move our club's membership list from paper "
        "cards to a spreadsheet, about 350 cards, some of them illegible, and send everyone a mail to confirm their "
        "data.",
    ),
    ("en", "recipes", "What can I cook with two eggs, half a cabbage, rice and soy sauce?"),
    ("en", "recipes", "Recipe for banana bread without eggs"),
    (
        "en",
        "recipes",
        "Scale this from 4 to 7 people and use metric units: 2 cups flour, 3 tbsp butter, 1 1/2 cups milk, 2 tsp "
        "baking powder, 1 pinch of salt.",
    ),
    (
        "en",
        "recipes",
        "Vegetarian dinner menu for six guests, one of them coeliac, starter to dessert, everything but the main can "
        "be made the day before.",
    ),
    (
        "en",
        "translation",
        'Translate into German: "Could you please send me the signed contract by Thursday? The notary needs the '
        'original."',
    ),
    (
        "en",
        "translation",
        'How do you say "Where is the nearest pharmacy?" in Japanese? Add the pronunciation in Latin letters.',
    ),
    (
        "en",
        "translation",
        'Translate to English and keep the tone: "Ey, kommst du heute noch oder soll ich die Pizza alleine essen?"',
    ),
    (
        "en",
        "translation",
        "Translate this menu into Spanish: Soup of the day; grilled trout with almonds; mushroom risotto; baked "
        "apple with vanilla sauce.",
    ),
    ("en", "translation", 'French for "I look forward to hearing from you" in a formal letter?'),
    (
        "en",
        "translation",
        "Translate into simple Italian for a note to our cleaner: The window in the bathroom sticks, please do not "
        "force it. The new cloths are under the sink. Thank you for watering the plants while we were away!",
    ),
    (
        "en",
        "shopping",
        "Which is better for a student, a tablet with a keyboard or a cheap laptop? I write essays and watch films.",
    ),
    ("en", "shopping", "I need running shoes for wide feet under 120 dollars. What should I look for?"),
    ("en", "shopping", "Gift ideas for a man of 75 who has everything, likes birds and crosswords"),
    ("en", "travel", "Do I need a visa to change planes in Toronto with an Indian passport?"),
    ("en", "travel", "What should I pack for ten days in Iceland in October, hand luggage only?"),
    ("en", "travel", "Best way to get from Lisbon airport to Sintra with two big suitcases?"),
    ("en", "explaining", "Explain what inflation is as you would to a twelve-year-old."),
    ("en", "explaining", "What's the difference between a virus and a bacterium?"),
    ("en", "explaining", "How does a heat pump work? Keep it to one paragraph."),
    ("en", "explaining", "explain blockchain in 2 sentences"),
    ("en", "explaining", "Who was Rosa Parks and why does she matter?"),
    ("en", "explaining", "Photosynthesis"),
    (
        "en",
        "explaining",
        "I am writing my thesis in nursing and I don't understand p-values. We gave 24 patients a warm foot bath "
        "before bed and 24 others a cup of tea, and counted how many nights they slept more than six hours. In the "
        "first group it was 5.1 nights a week, in the second 4.3, and the program printed p = 0.03. My supervisor "
        "says that this means the foot bath works with a probability of 97 percent. A friend who studies statistics "
        "says that is wrong but could not tell me why in words I understand. Who is right? Use an example with coin "
        "tosses, please, and at the end give me one sentence that I can put into the thesis without embarrassing "
        "myself.",
    ),
    ("en", "brainstorming", "Ten names for a small bakery run by two sisters"),
    (
        "en",
        "brainstorming",
        "Give me ideas for a team event for 12 people who all work from home in different countries.",
    ),
    (
        "en",
        "brainstorming",
        "I teach chemistry to 14-year-olds. Five experiments with things from the kitchen, safe, each under ten "
        "minutes.",
    ),
    (
        "en",
        "brainstorming",
        "What could be the reasons why fewer people open our newsletter since spring? We changed the sender's name, "
        "the day from Tuesday to Friday, and the layout.",
    ),
    ("en", "spreadsheets", 'Excel formula: sum column C where column A is "Paid" and column B is in March 2026.'),
    (
        "en",
        "spreadsheets",
        "In Google Sheets, how do I highlight the whole row if the date in column D is in the past?",
    ),
    ("en", "spreadsheets", "vlookup returns #N/A though the value is there, why"),
    (
        "en",
        "spreadsheets",
        'I have full names such as "Maria del Carmen Ortiz" in column A and want the last word in column B. Which '
        "formula works in Excel 2016?",
    ),
    ("en", "spreadsheets", "How do I make a pivot table that shows the average order value per month and region?"),
    ("en", "code", "Write a Python function that removes duplicates from a list but keeps the order."),
    ("en", "code", "What does this error mean? TypeError: unsupported operand type(s) for +: 'int' and 'str'"),
    ("en", "code", "Bash one-liner that renames all .jpeg files in a folder to .jpg"),
    (
        "en",
        "code",
        "Convert this loop to a list comprehension:\n\nresult = []\nfor x in items:\n    if x.price > 10:\n        "
        "result.append(x.name.upper())",
    ),
    ("en", "code", "Write a JavaScript function debounce(fn, ms) and explain in one sentence what it is good for."),
    ("en", "code", "Why does this print [1, 2, 3, 4] twice?\n\na = [1, 2, 3]\nb = a\nb.append(4)\nprint(a)\nprint(b)"),
    (
        "en",
        "code",
        "Write unit tests with pytest for this function:\n\ndef slugify(title):\n    words = "
        're.findall(r"[a-z0-9]+", title.lower())\n    return "-".join(words)',
    ),
    ("en", "code", "How do I undo the last git commit but keep my changes?"),
    (
        "en",
        "code",
        'Write a small Flask app with one route, POST /convert, that takes JSON {"celsius": number} and returns '
        '{"fahrenheit": number}. Answer with status 400 and a message if the field is missing or no number.',
    ),
    (
        "en",
        "sql",
        "SQL: for each customer, the date of the first order and the number of orders. Tables customers(id, name), "
        "orders(id, customer_id, placed_at).",
    ),
    ("en", "sql", "How do I find duplicate email addresses in a table users(id, email)?"),
    (
        "en",
        "sql",
        "This query is slow in Postgres, what index would help?\nSELECT * FROM events WHERE account_id = 42 AND "
        "created_at > now() - interval '7 days' ORDER BY created_at DESC LIMIT 50;",
    ),
    ("en", "regex", "Regex for a date like 2026-03-09"),
    ("en", "regex", "I need a regular expression that matches UK postcodes, in Python, with and without the space."),
    ("en", "regex", "What does ^(?=.*\\d)(?=.*[a-z]).{8,}$ check?"),
    (
        "en",
        "customer reply",
        "Answer this customer kindly. We can't refund, but we can send a replacement. \"The mug arrived in pieces, "
        'this was meant to be a present for tomorrow!!! I want my money back."',
    ),
    (
        "en",
        "customer reply",
        "Write a reply to a one-star review of a restaurant: the guest waited 50 minutes for a pizza on a Saturday. "
        "No excuses, no voucher, invite them back.",
    ),
    (
        "en",
        "customer reply",
        'You work for the support of an internet provider. A customer writes: "Since the technician was here on '
        "Friday the upload is at 0.4 Mbit, before it was 20. I restarted the router three times. I work from home "
        'and lose clients." Write an answer that shows understanding, asks for the two things you need (a speed test '
        "by cable and a photo of the router's lights), and offers a callback today between 4 and 6 pm.",
    ),
    (
        "en",
        "meeting notes",
        "Turn this into minutes with decisions and actions:\n\nAna: prototype is two weeks late because of the "
        "screws. Ben: supplier B could deliver on the 4th but costs 8 percent more. Ana: fine for this batch. Chen: "
        "then I tell sales the 20th. Ben orders today. Dee asked who writes the manual, nobody answered, Ana will "
        "look for a freelancer. Next meeting Tuesday at 10. Before that Chen wants the photos for the catalogue, Ben "
        "says they cannot be taken before the housings are painted, which is Monday at the earliest. Ana asked to "
        "order forty housings more in grey because two shops have asked for them. Dee is against it as long as we do "
        "not know whether they pay up front. We agreed on twenty, and Dee calls both shops by Thursday. The smell of "
        "the new glue was discussed again: windows open, masks are in the drawer, and Chen finds out whether the old "
        "glue can still be had.",
    ),
    ("en", "meeting notes", "Write an agenda for a 30 minute kickoff with a new client whose website we redesign."),
    (
        "en",
        "job application",
        "Write a cover letter for a job as a dental assistant. I have four years of experience, speak Arabic, and "
        "want to work part time. Half a page.",
    ),
    ("en", "job application", "What should I answer when they ask for my greatest weakness?"),
    (
        "en",
        "job application",
        'Improve this bullet for my CV: "was responsible for social media and got more followers"',
    ),
    ("en", "job application", "How do I explain a two-year gap in my CV? I looked after my father."),
    ("en", "children", "Why is the sky blue? My son is 5."),
    ("en", "children", "do fish sleep"),
    ("en", "children", "Could a T. rex swim?"),
    ("en", "children", "My daughter asks where the sun goes at night. What do I tell her?"),
    ("en", "health", "I twisted my ankle an hour ago and it is swollen. Ice or heat, and when should I see a doctor?"),
    ("en", "health", "Can I take ibuprofen and paracetamol together?"),
    ("en", "health", "How much water should I drink a day?"),
    (
        "en",
        "legal",
        "My landlord wants to keep the whole deposit because of a scratch in the floor. Is that allowed in England?",
    ),
    ("en", "legal", "What is the difference between a will and a living will?"),
    ("en", "finance", "Should I pay off my credit card at 22% interest or put money into my retirement account first?"),
    ("en", "finance", "What is an index fund?"),
    ("en", "finance", "If I put 200 a month into an account with 3% interest a year, how much is it after 10 years?"),
    ("en", "chat", HELLO),
    ("en", "chat", "thanks!"),
    ("en", "chat", "Tell me a joke about accountants."),
    ("en", "chat", "I'm bored"),
    (
        "en",
        "extraction",
        'Extract name, date, amount and currency as JSON: "Invoice 2231, Marlow Plumbing Ltd, 17 February 2026, '
        'total due GBP 418.50, payable within 14 days."',
    ),
    (
        "en",
        "extraction",
        'Return a JSON array of objects with the keys "city" and "temperature_c". Only JSON.\nOslo reached minus '
        "four this morning, while it was a mild 11 degrees in Porto. Athens: 17.",
    ),
    (
        "en",
        "extraction",
        "Pull all phone numbers out of this text: Call the office on 020 7946 0011 or, after six, Sam on 07700 900 "
        "321. Fax: none. Room 4417.",
    ),
    (
        "en",
        "classification",
        'Is this review positive, negative or mixed? "Battery lasts for ever, but the screen scratches if you look '
        'at it."',
    ),
    (
        "en",
        "classification",
        "Sort these tickets into billing, technical or other, one label per line:\n1. I was charged twice in April\n"
        "2. App crashes when I rotate the phone\n3. Do you have an office in Leeds?\n4. Reset link never arrives",
    ),
    (
        "en",
        "classification",
        'Spam or not spam? "Your parcel is waiting, pay the customs fee of 1.99 here: bit.example/xx"',
    ),
    ("en", "creative writing", "Write a limerick about a cat who hates Mondays."),
    ("en", "creative writing", "A bedtime story of about 150 words about a lamp that is afraid of the dark"),
    (
        "en",
        "creative writing",
        "Write the opening paragraph of a crime novel set in a lighthouse in winter, first person, dry humour.",
    ),
    (
        "en",
        "creative writing",
        "Wedding toast for my brother. He met Joana when both tried to rent the same flat. He cannot cook, she can. "
        "Two minutes, warm, one joke at his expense.",
    ),
    ("en", "maths", "What is 15% of 240?"),
    ("en", "maths", "Three friends share a bill of 127.40 and want to leave a tip of 12%. How much does each pay?"),
    (
        "de",
        "mail",
        "Schreib eine kurze, höfliche Mail an meinen Chef: Ich bin krank und komme voraussichtlich am Donnerstag "
        "wieder.",
    ),
    (
        "de",
        "rewriting",
        "Formuliere das freundlicher: „Sie haben schon wieder das falsche Formular geschickt. Ohne Anlage B geht "
        "hier gar nichts.“",
    ),
    (
        "de",
        "summary",
        "Fasse in zwei Sätzen zusammen: Die Stadtwerke erneuern ab dem 2. Mai die Wasserleitungen in der "
        "Lindenstraße. Die Arbeiten dauern etwa sechs Wochen und werden in drei Abschnitten erledigt. An einzelnen "
        "Tagen wird das Wasser zwischen 8 und 15 Uhr abgestellt; die Anwohner erfahren das zwei Tage vorher durch "
        "einen Aushang. Parken ist in der Straße während der ganzen Zeit nur auf der Nordseite möglich.",
    ),
    ("de", "recipes", "Was koche ich heute Abend schnell mit Kartoffeln, Lauch und Speck?"),
    ("de", "explaining", "Was ist der Unterschied zwischen brutto und netto?"),
    (
        "de",
        "legal",
        "Wie lange ist die Kündigungsfrist für eine Mietwohnung, wenn ich seit sechs Jahren dort wohne und selbst "
        "kündige?",
    ),
    (
        "de",
        "spreadsheets",
        "Excel: Wie zähle ich, wie oft in Spalte B „offen“ steht und in Spalte C ein Datum vor heute?",
    ),
    ("de", "children", "Warum haben Zebras Streifen?"),
    ("de", "travel", "Zwei Tage Wien mit wenig Geld, was sollten wir sehen?"),
    (
        "es",
        "mail",
        "Escribe un correo formal para pedir cita con el tutor de mi hijo la semana que viene, mejor por la tarde.",
    ),
    (
        "es",
        "customer reply",
        "Responde a este cliente con amabilidad y ofrécele un descuento del 10 %: «Pedí la talla M y me llegó la XL. "
        "Es la segunda vez que pasa.»",
    ),
    (
        "es",
        "translation",
        "Traduce al inglés: «El plazo de entrega es de diez días hábiles a partir de la confirmación del pago.»",
    ),
    ("es", "recipes", "¿Cómo hago una tortilla de patatas jugosa?"),
    ("es", "explaining", "Explícame qué es la fotosíntesis con palabras sencillas."),
    (
        "es",
        "planning",
        "Organiza una rutina de limpieza semanal para un piso de 70 metros, media hora al día, para dos personas que "
        "trabajan.",
    ),
    ("es", "finance", "¿Qué significa TAE en un préstamo?"),
    (
        "es",
        "code",
        "Escribe una función en Python que diga si una palabra es un palíndromo, sin contar tildes ni mayúsculas.",
    ),
    ("es", "chat", "hola, ¿qué tal?"),
    (
        "fr",
        "mail",
        "Rédige un courriel à mon assurance pour signaler un dégât des eaux dans la cuisine, survenu dimanche soir. "
        "Ton neutre, dix lignes au plus.",
    ),
    (
        "fr",
        "rewriting",
        "Corrige les fautes : « Je vous écrit pour savoir si les place sont encore disponible et combien sa coûte. »",
    ),
    (
        "fr",
        "summary",
        "Résume ce texte en une phrase : La bibliothèque municipale ouvrira désormais le dimanche matin, de "
        "septembre à juin. La mairie a embauché quatre étudiants pour assurer l'accueil, et les prêts se feront sur "
        "des bornes automatiques. Un bilan sera tiré au bout d'un an.",
    ),
    (
        "fr",
        "job application",
        "Écris une lettre de motivation pour un stage de deux mois dans une librairie, je suis en deuxième année de "
        "lettres.",
    ),
    ("fr", "explaining", "Pourquoi la mer est-elle salée ?"),
    ("fr", "travel", "Que faire à Lyon un jour de pluie avec deux enfants ?"),
    (
        "fr",
        "brainstorming",
        "Trouve cinq idées d'activités pour un anniversaire de huit ans dans un petit appartement.",
    ),
    (
        "fr",
        "sql",
        "Requête SQL pour obtenir les dix produits les plus vendus en 2025, tables ventes(produit_id, quantite, "
        "jour) et produits(id, nom).",
    ),
    ("fr", "creative writing", "Écris un petit poème de quatre vers sur un parapluie oublié dans le train."),
    ("ja", "mail", "金曜日の会議を丁寧に断るメールを書いてください。"),
    ("ja", "rewriting", "次の文を敬語に直してください。「資料見た？明日までに返事ちょうだい。」"),
    (
        "ja",
        "summary",
        "次の文章を一文で要約してください。市は来月から、駅前の駐輪場を有料にすると発表しました。料金は一日百円で、学"
        "生は半額になります。放置自転車を減らし、得られた収入で屋根を付ける計画です。利用者からは、最初の二時間は無料"
        "にしてほしいという声が出ています。",
    ),
    ("ja", "recipes", "冷蔵庫に豆腐とねぎと卵があります。簡単な夕食を三つ教えて。"),
    ("ja", "explaining", "円安になると生活にどんな影響がありますか。"),
    ("ja", "code", "Pythonでリストの中の最大値とその位置を返す関数を書いて。"),
    (
        "ja",
        "translation",
        "英語に訳してください：「先日はお忙しいところお時間をいただき、誠にありがとうございました。」",
    ),
    ("ja", "children", "どうして夕焼けは赤いの？"),
    ("ja", "planning", "京都を一日で回る計画を立ててください。母は足が悪いので、あまり歩けません。"),
    ("ko", "mail", "팀장님께 다음 주 월요일 연차를 신청하는 짧은 메일을 써 주세요."),
    (
        "ko",
        "customer reply",
        "고객이 배송이 일주일 늦었다고 불만을 남겼습니다. 사과하고 다음 주문에 쓸 수 있는 쿠폰을 드린다는 답변을 "
        "작성해 주세요.",
    ),
    (
        "ko",
        "summary",
        "다음 글을 두 문장으로 요약해 줘. 구청은 올해 가을부터 동네 도서관 다섯 곳의 문을 밤 열 시까지 연다. 낮에 "
        "오기 어려운 직장인과 학생을 위한 것으로, 늦은 시간에는 무인 대출기를 쓴다. 이용자가 적은 곳은 내년 봄에 "
        "다시 시간을 줄일 수 있다.",
    ),
    ("ko", "recipes", "김치찌개 맛있게 끓이는 법 알려줘"),
    ("ko", "explaining", "전세와 월세의 차이를 쉽게 설명해 주세요."),
    ("ko", "spreadsheets", "엑셀에서 A열의 주민 이름 중 중복된 값을 찾는 방법은?"),
    ("ko", "translation", '"내일 오후 세 시까지 견적서를 보내 주시면 감사하겠습니다."를 영어로 번역해 줘.'),
    ("ko", "brainstorming", "아이와 비 오는 날 집에서 할 수 있는 놀이 다섯 가지"),
    ("ko", "chat", "안녕!"),
    ("zh", "mail", "请帮我写一封邮件给房东，说明厨房水龙头漏水，希望本周内派人来修。"),
    ("zh", "rewriting", "把这句话改得更正式：“你们上次发的合同有问题，赶紧改一下再发过来。”"),
    (
        "zh",
        "summary",
        "用一句话概括：本市地铁四号线将于下月延长至大学城，全程增加五站。高峰时段每三分钟一班，末班车推迟到晚上十一点"
        "半。沿线三条公交线路会相应调整，乘客可以在官方网站查询新的时刻表。",
    ),
    ("zh", "recipes", "番茄炒蛋先放番茄还是先放鸡蛋？"),
    ("zh", "explaining", "为什么冬天衣服容易起静电？"),
    ("zh", "code", "用Python写一个函数，把一个文本文件里每个单词出现的次数统计出来。"),
    ("zh", "finance", "等额本息和等额本金有什么区别？哪种总利息少？"),
    ("zh", "job application", "请为应聘幼儿园老师写一段自我介绍，一百字左右。"),
    (
        "zh",
        "extraction",
        "从下面的文字中提取姓名、电话和地址，用JSON输出：收件人王小雨，请送到和平路18号3单元502，电话13800000000。",
    ),
    (
        "pt",
        "mail",
        "Escreva um e-mail para o condomínio pedindo que troquem a lâmpada da garagem, que está queimada há duas "
        "semanas.",
    ),
    (
        "pt",
        "rewriting",
        'Deixe este texto mais claro e curto: "Venho por meio desta informar que, em virtude de motivos de força '
        'maior, não será possível a minha presença na reunião que se realizará amanhã."',
    ),
    ("pt", "explaining", "O que é o Pix e como funciona?"),
    ("pt", "recipes", "Receita de bolo de cenoura com cobertura de chocolate"),
    ("pt", "health", "Quais são os sintomas da dengue e quando devo ir ao hospital?"),
    (
        "pt",
        "planning",
        "Monte um plano de estudos de um mês para uma prova de matemática do ensino médio, uma hora por dia, quatro "
        "dias por semana.",
    ),
    (
        "pt",
        "translation",
        'Traduza para o inglês: "Segue em anexo o comprovante de pagamento referente ao mês de março."',
    ),
    ("pt", "classification", 'Classifique o comentário como elogio, reclamação ou dúvida: "Vocês abrem no feriado?"'),
    (
        "pt",
        "creative writing",
        "Escreva uma mensagem de aniversário engraçada para o meu avô, que faz 80 anos e adora futebol.",
    ),
    ("it", "mail", "Scrivi una mail al medico per chiedere di rinnovare la ricetta della pressione, breve e cortese."),
    (
        "it",
        "rewriting",
        "Correggi gli errori: \"Se avrei saputo che c'era lo sciopero, prendevo la macchina e arrivavo più presto di "
        'voi."',
    ),
    (
        "it",
        "summary",
        "Riassumi in due frasi: Il comune ha deciso di chiudere al traffico il centro nei fine settimana d'estate. I "
        "residenti avranno un permesso gratuito, i negozianti potranno scaricare la merce fino alle dieci. Dai "
        "parcheggi fuori dalle mura partirà una navetta ogni quarto d'ora.",
    ),
    ("it", "recipes", "Quanto sale metto nell'acqua per mezzo chilo di pasta?"),
    ("it", "travel", "Da Roma a Matera senza macchina: come si fa e quanto ci vuole?"),
    ("it", "explaining", "Che differenza c'è tra caldo umido e caldo secco?"),
    ("it", "regex", "Un'espressione regolare per trovare i codici fiscali in un testo"),
    (
        "it",
        "meeting notes",
        "Metti in ordine questi appunti, con chi fa cosa: preventivo entro venerdì (Luca), chiamare il grafico, "
        "forse Sara, stand della fiera confermato, mancano le brochure.",
    ),
    ("it", "chat", "Buongiorno! Come stai oggi?"),
    ("ru", "mail", "Напиши вежливое письмо коллеге с просьбой прислать отчёт до среды."),
    (
        "ru",
        "rewriting",
        "Сделай текст короче и понятнее: «В связи с проведением плановых профилактических работ подача горячей воды "
        "будет осуществляться с перебоями в период с 10 по 14 июня включительно».",
    ),
    ("ru", "explaining", "Почему лёд не тонет в воде?"),
    ("ru", "recipes", "Как приготовить борщ без мяса?"),
    ("ru", "code", "Напиши на Python функцию, которая проверяет, является ли год високосным."),
    ("ru", "health", "Что можно дать ребёнку пяти лет при температуре 38,5?"),
    (
        "ru",
        "sql",
        "Как в SQL выбрать клиентов, у которых не было заказов за последний год? Таблицы clients(id, name) и "
        "orders(client_id, created_at).",
    ),
    ("ru", "brainstorming", "Придумай десять названий для маленькой кофейни у вокзала."),
    ("ru", "creative writing", "Сочини короткую сказку на ночь про ёжика, который боялся темноты."),
    ("hi", "mail", "अपने स्कूल के प्रधानाचार्य को दो दिन की छुट्टी के लिए एक प्रार्थना पत्र लिखिए।"),
    (
        "hi",
        "summary",
        "इसे एक वाक्य में लिखिए: नगर निगम ने कहा है कि अगले महीने से हर मोहल्ले में गीला और सूखा कचरा अलग-अलग लिया "
        "जाएगा। जो लोग कचरा मिलाकर देंगे, उन्हें पहले चेतावनी मिलेगी और फिर जुर्माना देना होगा।",
    ),
    ("hi", "explaining", "बारिश कैसे होती है? बच्चों को समझाने जैसी भाषा में बताइए।"),
    ("hi", "recipes", "घर पर नरम पनीर कैसे बनाएँ?"),
    ("hi", "translation", 'इसका अंग्रेज़ी में अनुवाद करें: "कृपया अपना पता और फ़ोन नंबर एक बार फिर जाँच लें।"'),
    ("hi", "finance", "एफ़डी और आरडी में क्या अंतर है?"),
    ("hi", "job application", "बैंक में क्लर्क की नौकरी के लिए अपना परिचय पाँच वाक्यों में कैसे दूँ?"),
    ("hi", "travel", "जयपुर में एक दिन में क्या-क्या देख सकते हैं?"),
    ("hi", "chat", "नमस्ते, आप कैसे हैं?"),
)
"""Language, kind and prompt."""

_SMOKE_KINDS = {
    "en": ("summary", "rewriting", "recipes", "sql"),
    "de": ("mail", "summary", "recipes", "spreadsheets"),
    "es": ("mail", "translation", "planning", "code"),
    "fr": ("rewriting", "summary", "explaining", "creative writing"),
    "ja": ("mail", "summary", "explaining", "code"),
}


def _first(language: str, kind: str) -> str:
    return next(prompt for *what, prompt in EVERYDAY if what == [language, kind])


SMOKE: tuple[str, ...] = (
    MAIL,
    *(_first(language, kind) for language in _SMOKE_KINDS for kind in _SMOKE_KINDS[language]),
)
"""A few of them in five languages, none of which asks for more than a decent model gives."""
