/**
 * Identifiers as people write them, in the formats of many countries, and what looks like one and is none. All are made
 * up or published as examples. In a positive sample each identifier stands between ⟦ and ⟧.
 */
import type { IdentifierKind } from '../../../orchestrator/policy.ts'

export interface Positive {
  readonly kind: IdentifierKind
  /** Without the marks. */
  readonly text: string
  readonly values: readonly string[]
}

const emails = `
Please write to ⟦anna.schmidt@example.com⟧ before Friday.
Meine Adresse ist ⟦jörg.müller@beispiel.de⟧, danke!
Écrivez à ⟦rené.dupont@exemple.fr⟧ ou à ⟦contact@société.fr⟧.
Envíalo a ⟦maria-jose.garcia@correo.es⟧; gracias.
Scrivi a ⟦g.rossi@posta.it⟧.
Mail naar ⟦jan.de.vries@voorbeeld.nl⟧?
Napisz na ⟦kasia.wójcik@przyklad.pl⟧.
Skicka till ⟦åsa.öberg@exempel.se⟧!
Escreva para ⟦joao.silva+promo@exemplo.com.br⟧
Пишите на ⟦ivan.petrov@primer.ru⟧, пожалуйста.
Почта: ⟦иван@пример.рф⟧
请联系⟦zhang.wei@example.cn⟧谢谢
请写信到⟦liwei88@mail.example.com.cn⟧。
メールは⟦tanaka.taro@example.co.jp⟧まで。
이메일은 ⟦minsu.kim@example.co.kr⟧로 보내 주세요.
راسلني على ⟦ahmed.ali@example.sa⟧ من فضلك
मुझे ⟦priya.sharma@example.in⟧ पर लिखें
כתבו אל ⟦dana@example.co.il⟧ בבקשה
Γράψτε στο ⟦nikos.papas@example.gr⟧ αύριο
mailto:⟦sales@example.org⟧?subject=Hi
[⟦info@example.net⟧](mailto:⟦info@example.net⟧)
<⟦first.last@sub.domain.example.co.uk⟧>
"⟦o'brien@example.ie⟧" <-- him
**⟦bold.name@example.com⟧** is bold
user=⟦x_y-z@example.io⟧&next=1
Contact:⟦a1@b2.example.museum⟧.
const to = "⟦dev+test@example.dev⟧";
⟦UPPER.CASE@EXAMPLE.COM⟧ and ⟦upper.case@example.com⟧
Two: ⟦one@example.com⟧,⟦two@example.com⟧;⟦three@example.com⟧
Full width: ⟦suzuki＠example.jp⟧ です
Credentials ⟦leak@example.com⟧:hunter2
⟦xn@xn--bcher-kva.example⟧ is punycode
E-Mail-Adresse (⟦k.weiß@straße.example⟧)
⟦99percent@example.com⟧
`
const phones = `
Call me at ⟦+1 202-555-0143⟧ tomorrow.
My number is ⟦(212) 736-5000⟧.
Reach us at ⟦415-392-4000⟧ or ⟦1-800-275-2273⟧.
US with dots: ⟦617.253.1000⟧!
⟦+1 (617) 253-1000⟧ is MIT.
Ruf mich an: ⟦030 1234567⟧
Büro ⟦+49 30 1234567⟧, mobil ⟦0171 2345678⟧.
⟦+49 (0)30 1234567⟧ ist dieselbe.
Tel. ⟦089/2180-0⟧
Handy: ⟦0151-23456789⟧
Unter ⟦0049 171 2345678⟧ erreichbar
Mobil ⟦01712345678⟧ (abends)
Schweiz: ⟦+41 44 668 18 00⟧ oder ⟦044 668 18 00⟧
Wien: ⟦+43 1 58858 0⟧
Appelez le ⟦01 42 68 53 00⟧.
Mon portable : ⟦06 12 34 56 78⟧
⟦+33 6 12 34 56 78⟧, merci
Le ⟦06.12.34.56.78⟧ après 18h
Tél: ⟦0612345678⟧
Ring ⟦020 7946 0958⟧ please
UK mobile ⟦07911 123456⟧
⟦+44 20 7946 0958⟧ works abroad, also ⟦+44 (0)20 7946 0958⟧
⟦(0161) 496 0000⟧ in Manchester
text me on ⟦07700900123⟧
Llámame al ⟦612 34 56 78⟧
Móvil: ⟦612345678⟧
⟦+34 912 345 678⟧ en Madrid
Teléfono ⟦91 123 45 67⟧.
Chiamami al ⟦347 123 4567⟧
Roma: ⟦06 6982 1234⟧, cell. ⟦+39 347 1234567⟧
⟦+39 06 6982⟧ Vaticano
Bel ⟦06-12345678⟧ of ⟦020 123 4567⟧
⟦+31 6 12345678⟧ is mobiel
Zadzwoń: ⟦+48 601 234 567⟧
Telefon ⟦22 123 45 67⟧, komórka ⟦601 234 567⟧
⟦601-234-567⟧ to mój numer
Ring mig på ⟦070-123 45 67⟧
Kontoret ⟦08-123 456 78⟧; utland ⟦+46 8 123 456 78⟧
電話番号は⟦03-1234-5678⟧です
携帯 ⟦090-1234-5678⟧ まで
携帯は⟦09012345678⟧
⟦+81 3-1234-5678⟧ (Tokyo)
電話：⟦０３－１２３４－５６７８⟧
My Indian mobile: ⟦+91 98765 43210⟧
मोबाइल ⟦९८७६५४३२१०⟧ है
WhatsApp ⟦98765 43210⟧
Delhi office ⟦011-23456789⟧
Ligue para ⟦(11) 91234-5678⟧
Telefone: ⟦(21) 3123-4567⟧
⟦+55 11 91234-5678⟧ é meu celular
我的手机是⟦13812345678⟧，谢谢
手机：⟦138 1234 5678⟧
北京 ⟦010-62751234⟧
⟦+86 138 1234 5678⟧ 微信同号
Звоните ⟦8 (495) 123-45-67⟧
Мой телефон ⟦+7 912 345-67-89⟧
тел. ⟦8-912-345-67-89⟧ или ⟦89123456789⟧
⟦+7 (495) 123-45-67⟧ доб. 12
Llamame al ⟦011 4123-4567⟧ (Buenos Aires)
⟦+54 9 11 4123-4567⟧ es mi celular
اتصل بي على ⟦+966 50 123 4567⟧
جوال: ⟦0501234567⟧
رقم الهاتف ⟦٠٥٠١٢٣٤٥٦٧⟧
هاتف ⟦+٩٦٦ ٥٠ ١٢٣ ٤٥٦٧⟧
القاهرة ⟦+20 2 2345 6789⟧
Dubai ⟦+971 4 330 0000⟧
Sydney ⟦(02) 9374 4000⟧ or ⟦0412 345 678⟧
서울 ⟦02-312-3456⟧, 휴대폰 ⟦010-1234-5678⟧
İstanbul ⟦0212 123 45 67⟧
Київ ⟦+380 44 123 4567⟧
Cape Town ⟦021 401 2911⟧
tel:⟦+493012345678⟧
Phone=⟦2125551234⟧
fax no. ⟦555-1234⟧
`
const cards = `
Visa ⟦4111 1111 1111 1111⟧ exp 12/26 cvv 123
Meine Karte: ⟦4111111111111111⟧
Carte ⟦4242-4242-4242-4242⟧, merci
Mastercard ⟦5555 5555 5555 4444⟧
⟦5105105105105100⟧ is a test card
2-series ⟦2223 0031 2200 3222⟧
Amex ⟦3782 822463 10005⟧ or ⟦371449635398431⟧
Discover ⟦6011 1111 1111 1117⟧
JCB ⟦3530111333300000⟧
Diners ⟦3056 930902 5904⟧
UnionPay ⟦6200000000000005⟧
银联卡号⟦6205500000000000004⟧。
Мир ⟦2200 0000 0000 0004⟧
Tarjeta n.º ⟦4012 8888 8888 1881⟧.
Carta di credito: ⟦4222222222222⟧
カード番号は⟦４２４２　４２４２　４２４２　４２４２⟧です
بطاقة ⟦٤١١١ ١١١١ ١١١١ ١١١١⟧
card=⟦4000056655665556⟧&cvc=1
("⟦6759 6498 2643 8453⟧")
Cartão ⟦5067 3100 0000 0010⟧ (Elo)
`
const ibans = `
IBAN: ⟦DE89 3704 0044 0532 0130 00⟧
Bitte auf ⟦DE89370400440532013000⟧ überweisen.
⟦GB29 NWBK 6016 1331 9268 19⟧ is the account
FR: ⟦FR14 2004 1010 0505 0001 3M02 606⟧.
ES: ⟦ES91 2100 0418 4502 0005 1332⟧,
IT: ⟦IT60 X054 2811 1010 0000 0123 456⟧
NL ⟦NL91 ABNA 0417 1643 00⟧ graag
PL ⟦PL61 1090 1014 0000 0712 1981 2874⟧
SE ⟦SE45 5000 0000 0583 9825 7466⟧
CH ⟦CH93 0076 2011 6238 5295 7⟧
AT ⟦AT61 1904 3002 3457 3201⟧ danke
BE ⟦BE68 5390 0754 7034⟧
BR ⟦BR97 0036 0305 0000 1000 9795 493P 1⟧
SA ⟦SA03 8000 0000 6080 1016 7519⟧
AE ⟦AE07 0331 2345 6789 0123 456⟧
TR ⟦TR33 0006 1005 1978 6457 8413 26⟧
MT ⟦MT84 MALT 0110 0001 2345 MTLC AST0 01S⟧
NO ⟦NO93 8601 1117 947⟧
lower case ⟦de89 3704 0044 0532 0130 00⟧ too
with dashes ⟦PT50-0002-0123-1234-5678-9015-4⟧
账号⟦DE89370400440532013000⟧。
`
const ips = `
The server 	⟦192.168.1.10⟧ is down.
ssh root@⟦10.0.0.1⟧
http://⟦203.0.113.7⟧:8080/path
⟦198.51.100.23⟧/24 ist das Netz
Mein Rechner hat ⟦172.16.254.1⟧, deiner ⟦172.16.254.2⟧.
服务器⟦8.8.8.8⟧不通
IP:⟦127.0.0.1⟧
Adresse ⟦2001:db8::1⟧ antwortet
http://[⟦2001:db8:85a3::8a2e:370:7334⟧]:443/
⟦fe80::1ff:fe23:4567:890a%eth2⟧ is link-local
ping ⟦::1⟧
⟦2001:0db8:85a3:0000:0000:8a2e:0370:7334⟧ in full
mapped ⟦::ffff:192.0.2.128⟧
El servidor (⟦203.0.113.199⟧) y el otro, ⟦203.0.113.200⟧
⟦2001:DB8::A:1⟧/64.
`

export const negatives: readonly string[] = `
The meeting is on 2024-03-15 at 10:30.
Am 15.03.2024 um 12:30:45 Uhr
Date: 03/15/2024, due 04-01-2024
From 1914-1918 and 1939-1945
The years 1999 2000 2001 2002 2003
It costs $1,299.99 or €1.234.567,89
Price: 10 000 000 Ft
Population 1 412 600 000 in 2021
601 234 567 people live there
12 345 678 złotych
R$ 1.234.567,00
¥123456789
₹12,34,567
Total: 0.123456789
pi is 3.14159265358979
1.6180339887498948482
6.02214076e23 per mole
299792458 m/s
Speed 299 792 458 metres per second
version 1.2.3
v10.15.7
Release 1.2.3.4 is out
see section 4.3.2.1
1.2.3.4.5 is no address
node 24.21.0-beta.3
semver ^1.13.16 || ~2.0.0
ISBN 978-3-16-148410-0
ISBN 0-306-40615-2
ISBN-13: 9780306406157
ISSN 2049-3630
EAN 4006381333931
DOI 10.1000/xyz123
arXiv:2306.05685
RFC 9110 section 15.5.2
Order 1002345678
Bestellnummer 4711-0815-42
Invoice INV-2024-000123
Rechnung Nr. 2024/000123
Ticket #1234567890
Tracking 1Z999AA10123456784
Flight LH 1234 at gate 12
Part no. 12345-67890-12
id=1234567890123456789
Snowflake 1541815603606036480
Unix time 1700000000
1700000000000 ms since 1970
ts: 1700000000.123456
550e8400-e29b-41d4-a716-446655440000
123e4567-e89b-12d3-a456-426614174000
d41d8cd98f00b204e9800998ecf8427e
sha1 da39a3ee5e6b4b0d3255bfef95601890afd80709
commit 9fceb02d0ae598e95dc970b74767f19372d61af8
0xdeadbeef and 0xff00ff
0b1010101010
#ff8800
MAC 00:1a:2b:3c:4d:5e
00-1A-2B-3C-4D-5E
12:30:45.678
ratio 16:9 and 4:3
John 3:16
std::vector<int> v(10);
crate::module::function
dead::beef
a::b::c
map[string]int{"a": 1, "b": 2}
for (let i = 0; i < 1000000; i++) {}
x = 1234567 * 7654321
arr[0:10, 20:30]
matrix 1 2 3 4 5 6 7 8 9
1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144
100-200-300
10-20-30-40-50
2^31 - 1 = 2147483647
4294967296 bytes
9007199254740991
1234 5678 9012 3456
4111 1111 1111 1112
4111111111111112
5555-5555-5555-5555
0000 0000 0000 0000
DE00 3704 0044 0532 0130 00
DE89 3704 0044 0532 0130
GB82 WEST 1234 5698 7654 31
AB12 3456 7890
@mention and @another_one
@app.route("/users")
npm i @scope/package@1.2.3
foo@bar
user@localhost
git@github.com:owner/name.git
a @ b
email me sometime
999.999.999.999
256.1.1.1
1.2.3
300.1.2.3
192.168.1
:: and ::
50° 6′ 44″ N, 8° 40′ 55″ E
50.110556, 8.682222
52.5200° N 13.4050° E
-33.8688, 151.2093
zip 10115 Berlin, 75001 Paris
90210-1234
CEP 01310-100
〒100-0001 東京都
110105 北京
ВАЗ-2101 1974 года
ГОСТ 12.1.004-91
第 12345678 号
2024年3月15日 10時30分
合計 1,234,567 円
١٥ مارس ٢٠٢٤
السعر ١٢٣٤٥٦ ريال
१५ मार्च २०२४
SSN 000-00-0000
score 10-7, 21-19, 7-5
room 0815
007
Windows 10.0.19045
IEEE 802.11ax 2.4 GHz 5 GHz
Model 3530-1234
size 10x20x30
5 000 000 – 6 000 000 €
Kurs 1,0845 USD/EUR
1e10 or 1E-10
Chapter 1 ... 12
1/2 cup, 3/4 tsp
24/7/365
2023-W12-4
P3Y6M4DT12H30M5S
2024-03-15T10:30:00.000Z
2024-03-15T10:30:00+01:00
GMT+0100
UTC+05:30
+10 points, +1 for that
+1000000 credits
a+1234567 in algebra
C++17 and C++20
`
  .split('\n')
  .filter((line) => line !== '')

function samples(kind: IdentifierKind, lines: string): Positive[] {
  return lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => ({
      kind,
      text: line.replace(/[⟦⟧]/g, ''),
      values: [...line.matchAll(/⟦([^⟧]*)⟧/g)].map(([, value = '']) => value),
    }))
}

export const positives: readonly Positive[] = [
  ...samples('email', emails),
  ...samples('phone', phones),
  ...samples('card', cards),
  ...samples('iban', ibans),
  ...samples('ip', ips),
]

export const allKinds: readonly IdentifierKind[] = ['email', 'phone', 'card', 'iban', 'ip']
