/**
 * Texts of every kind, for what is said of token counts: prose, and texts that are made to have many tokens in few bytes.
 * The same on every machine. To measure them again: `gpt-tokenizer`, `encode(text).length`, encodings o200k_base and
 * cl100k_base.
 */

export const prose: Readonly<Record<string, string>> = {
  English:
    "All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience and should act towards one another in a spirit of brotherhood. Everyone is entitled to all the rights and freedoms set forth in this Declaration, without distinction of any kind, such as race, colour, sex, language, religion, political or other opinion, national or social origin, property, birth or other status. I wrote to you yesterday because the washing machine doesn't start anymore; could you please tell me which spare part I need, and what it costs to have it repaired at home?",
  German:
    'Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen begabt und sollen einander im Geiste der Brüderlichkeit begegnen. Jeder hat Anspruch auf alle in dieser Erklärung verkündeten Rechte und Freiheiten, ohne irgendeinen Unterschied, etwa nach Rasse, Hautfarbe, Geschlecht, Sprache, Religion, politischer oder sonstiger Anschauung. Ich habe Ihnen gestern geschrieben, weil die Waschmaschine nicht mehr anspringt; können Sie mir bitte sagen, welches Ersatzteil ich brauche und was die Reparatur kostet?',
  French:
    'Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et de conscience et doivent agir les uns envers les autres dans un esprit de fraternité. Chacun peut se prévaloir de tous les droits et de toutes les libertés proclamés dans la présente Déclaration, sans distinction aucune. Je vous ai écrit hier parce que la machine à laver ne démarre plus.',
  Spanish:
    'Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados como están de razón y conciencia, deben comportarse fraternalmente los unos con los otros. Toda persona tiene todos los derechos y libertades proclamados en esta Declaración, sin distinción alguna de raza, color, sexo, idioma, religión, opinión política o de cualquier otra índole.',
  Russian:
    'Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и совестью и должны поступать в отношении друг друга в духе братства. Каждый человек должен обладать всеми правами и всеми свободами, провозглашенными настоящей Декларацией, без какого бы то ни было различия. Я написал вам вчера, потому что стиральная машина больше не включается.',
  Greek:
    'Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα. Είναι προικισμένοι με λογική και συνείδηση, και οφείλουν να συμπεριφέρονται μεταξύ τους με πνεύμα αδελφοσύνης.',
  Chinese:
    '人人生而自由,在尊严和权利上一律平等。他们赋有理性和良心,并应以兄弟关系的精神相对待。人人有资格享有本宣言所载的一切权利和自由,不分种族、肤色、性别、语言、宗教、政治或其他见解、国籍或社会出身、财产、出生或其他身分等任何区别。我昨天给您写信,因为洗衣机无法启动了,请告诉我需要哪个零件,修理要多少钱?',
  Japanese:
    'すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。人間は、理性と良心とを授けられており、互いに同胞の精神をもって行動しなければならない。昨日お手紙を差し上げましたが、洗濯機が動かなくなりました。どの部品が必要か教えてください。',
  Korean:
    '모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다. 인간은 천부적으로 이성과 양심을 부여받았으며 서로 형제애의 정신으로 행동하여야 한다. 세탁기가 더 이상 작동하지 않아서 어제 편지를 썼습니다.',
  Arabic:
    'يولد جميع الناس أحرارا متساوين في الكرامة والحقوق. وقد وهبوا عقلا وضميرا وعليهم أن يعامل بعضهم بعضا بروح الإخاء. لكل إنسان حق التمتع بكافة الحقوق والحريات الواردة في هذا الإعلان، دون أي تمييز.',
  Hebrew:
    'כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם. כולם חוננו בתבונה ובמצפון, לפיכך חובה עליהם לנהוג איש ברעהו ברוח של אחווה.',
  Hindi:
    'सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है। उन्हें बुद्धि और अन्तरात्मा की देन प्राप्त है और परस्पर उन्हें भाईचारे के भाव से बर्ताव करना चाहिए।',
  Thai: 'มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ ต่างมีเหตุผลและมโนธรรม และควรปฏิบัติต่อกันด้วยเจตนารมณ์แห่งภราดรภาพ',
  Tamil: 'மனிதப் பிறிவியினர் சகலரும் சுதந்திரமாகவே பிறக்கின்றனர்; அவர்கள் மதிப்பிலும், உரிமைகளிலும் சமமானவர்கள்.',
}

export const markup: Readonly<Record<string, string>> = {
  program:
    "export function appendText(buffer: Buffer, text: string, maxBytes: number): boolean {\n  // Reserve three bytes for each unit.\n  for (let index = 0; index < text.length; index++) {\n    const code = text.charCodeAt(index)\n    if (code > 0x7f && isHighSurrogate(code)) return false\n    total += weights[code] ?? 4\n  }\n  return buffer.length + total <= maxBytes\n}\n\nclass Foo(Base):\n    def __init__(self, name=None, **kwargs):\n        super().__init__(**kwargs)\n        self.name = name or 'default'\n",
  json: '{"id":"chatcmpl-12","object":"chat.completion.chunk","created":1764542642,"model":"gpt-4o-mini","choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":null}],"usage":{"prompt_tokens":84,"completion_tokens":19}}',
  markdown:
    '## Round 2\n\n| what | where |\n|---|---|\n| a message of the wire | `protocol/up/` |\n| what a request does | `gateway/requests.ts` (socket) |\n\n1. **Money** is text in quotes ("0.15"), at most six digits.\n2. *See* [the docs](https://example.com/docs/a?b=c#d).\n',
}

let seed = 1
function draw(below: number): number {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
  return Math.floor((seed / 2 ** 32) * below)
}

function drawn(alphabet: string, length: number): string {
  const characters = [...alphabet]
  return Array.from({ length }, () => characters[draw(characters.length)]).join('')
}

function between(first: number, last: number, length = 800): string {
  return Array.from({ length }, () => String.fromCodePoint(first + draw(last - first + 1))).join('')
}

function inPieces(text: string, size: number, joint: string): string {
  return (text.match(new RegExp(`.{1,${size}}`, 'gsu')) ?? []).join(joint)
}

const small = 'abcdefghijklmnopqrstuvwxyz'
const capital = small.toUpperCase()
const digits = '0123456789'
const signs = '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~'
const hex = '0123456789abcdef'
const controls = Array.from({ length: 31 }, (_, index) => String.fromCharCode(index + 1)).join('')

function uuid(): string {
  return [8, 4, 4, 4, 12].map((length) => drawn(hex, length)).join('-')
}

/** Made anew for each call from the same seed, so that their order is what it is. */
export function denseTexts(): Readonly<Record<string, string>> {
  seed = 1
  return {
    'digits with blanks': inPieces(drawn(digits, 1000), 1, ' '),
    'counted up': Array.from({ length: 500 }, (_, index) => index + 1).join(' '),
    'digits on lines': inPieces(drawn(digits, 1000), 1, '\n'),
    digits: drawn(digits, 2000),
    'small letters': drawn(small, 2000),
    'capital letters': drawn(capital, 2000),
    'letters of both': drawn(small + capital, 2000),
    'rare letters': drawn('qxzjkvwy', 2000),
    'rare letters of both': drawn('qxzjQXZJ', 2000),
    'rare pairs in capitals': inPieces(drawn('QXZJKVWY', 1600), 2, ' '),
    'single letters': inPieces(drawn(small, 1000), 1, ' '),
    'short words': inPieces(drawn(small, 2000), 3, ' '),
    'letters and digits': drawn(small + capital + digits, 2000),
    'letters between digits': inPieces(drawn(small, 1000), 1, '7'),
    base64: drawn(`${small}${capital}${digits}+/`, 2000),
    hex: drawn(hex, 2000),
    uuids: Array.from({ length: 50 }, uuid).join('\n'),
    printable: drawn(`${small}${capital}${digits}${signs} `, 2000),
    signs: drawn(signs, 2000),
    'rare signs': drawn('~^`@&', 2000),
    'signs with blanks': inPieces(drawn(signs, 1000), 1, ' '),
    controls: drawn(controls, 2000),
    blanks: ' '.repeat(2000),
    'lines ends': '\n'.repeat(2000),
    'blanks, tabs and line ends': drawn(' \n\t\r', 2000),
    'letters with two blanks': inPieces(drawn(small, 1000), 1, '  '),
    emoji: drawn('😀😂🤣😊😍🚀🎉👍🏽👩💻🔥✨🙏', 800),
    'all emoji': between(0x1f300, 0x1f64f),
    'combining marks': between(0x300, 0x36f),
    'letters under marks': inPieces('e\u0302a\u0321o\u0337'.repeat(100), 2, '\u0360'),
    'CJK extension A': between(0x3400, 0x4dbf),
    'CJK extension B': between(0x20000, 0x2a6df),
    cuneiform: between(0x12000, 0x123ff),
    'private use': between(0xe000, 0xf8ff),
    tags: between(0xe0020, 0xe007e),
    'mathematical letters': between(0x1d400, 0x1d7ff),
    'all Latin accents': between(0xc0, 0x24f),
    'random Greek': between(0x391, 0x3c9),
    'random Cyrillic': between(0x410, 0x44f),
    'random Cyrillic words': inPieces(between(0x430, 0x44f), 4, ' '),
    'random Armenian': between(0x531, 0x586),
    'random Hebrew': between(0x5d0, 0x5ea),
    'random Arabic': between(0x621, 0x64a),
    'random Arabic words': inPieces(between(0x621, 0x64a), 4, ' '),
    'random Devanagari': between(0x900, 0x97f),
    'random Devanagari words': inPieces(between(0x905, 0x939), 4, ' '),
    'random Bengali': between(0x985, 0x9b9),
    'random Tamil': between(0xb80, 0xbff),
    'random Thai': between(0xe01, 0xe5b),
    'random Georgian': between(0x10d0, 0x10f0),
    'random Ethiopic': between(0x1200, 0x137f),
    'random kana': between(0x3041, 0x30fa),
    'random CJK': between(0x4e00, 0x9fff),
    'random Hangul': between(0xac00, 0xd7a3),
    'full-width forms': between(0xff01, 0xff5e),
    'arrows and boxes': between(0x2190, 0x257f),
    dingbats: between(0x2600, 0x27bf),
  }
}
