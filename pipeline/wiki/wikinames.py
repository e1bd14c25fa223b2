"""What wikis call things in their own languages: tables of facts, for lookup only.

A dump's siteinfo names its namespaces, so these prefixes matter where it is missing (pages cut out
of a dump) and where an article uses an English or an older name. Redirect words stand in no dump;
since export format 0.4 redirects carry a flag of their own.
"""

_REDIRECTS = """
redirect weiterleitung redirection redirección redireccion redirecionamento doorverwijzing
rinvia rinvio omdirigering patrz przekieruj tam перенаправление перенаправлення перенаправяне
перенасочување пренасочување преусмери преусмјери viitauudelleen omdiriġi átirányítás
yönlendirme yönlendir přesměruj presmeruj preusmeritev preusmjeri alih ohjaus uudelleenohjaus
redirectează redirecteaza birzuzendu birzuzenketa suuna ümbersuunamine peradresavimas
pāradresācija tilvísun ail-cyfeirio athsheoladh alihkan lencong đổi aïda adcas ανακατευθυνση
ανακατεύθυνση перанакіраванне айдау басқару بوڭتاش istiqamətləndirmə istiqamətləndir йўналтириш
yo‘naltirish virahavna վերահղում გადამისამართება הפניה תحويل تحويل تغییر_مسیر تغییرمسیر
رجوع_مکرر پوڵۆپێدان अनुप्रेषित पुनर्निर्देशित पुनर्निर्देशन পুনর্নির্দেশ বदलणे ਰੀਡਿਰੈਕਟ
રીડાયરેક્ટ వழிமாற்று வழிமாற்று దారిమార్పు ಪುನರ್ನಿರ್ದೇಶನ തിരിച്ചുവിടുക เปลี่ยนทาง 重定向 重新導向 転送
リダイレクト 넘겨주기 alidirektu alidirekti ridirezion пӳвехет parveste pārsyuteit
"""
REDIRECT_WORDS = frozenset("#" + word for word in _REDIRECTS.split())
"""First words of a page that make it a redirect, in lower case."""

# Namespaces -2 (Media), 6 (File) and 14 (Category).
_PREFIXES = """
media file image category
datei bild kategorie medium
fichier image média catégorie
archivo imagen medio categoría
ficheiro arquivo imagem multimédia mídia categoria
file immagine categoria
bestand afbeelding categorie
fil bild mediafil kategori
fil billede
tiedosto kuva luokka
plik grafika kategoria
soubor kategorie médium
súbor obrázok kategória
fájl kép kategória
fișier fişier imagine categorie
datoteka slika kategorija medij medija
файл изображение медиа медіа категория категорія зображення картинка
файл категория медия
датотека слика категорија медијум медиј
файл выява катэгорыя
dosya resim ortam kategori
şəkil fayl kateqoriya
сурет санат fayl turkum tasvir
αρχείο εικόνα κατηγορία
fitxer imatge categoria
ficheru imaxe imaxen categoría
fitxategi irudi kategoria
fichièr imatge categoria
dosiero kategorio aŭdvidaĵo
fail pilt kategooria
attēls attels kategorija
vaizdas kategorija medija
skeda kategoria figura
skrá mynd flokkur
delwedd categori
íomhá catagóir
tập_tin hình phân_loại thể_loại
berkas gambar kategori imej fail
talaksan larawan kategorya
ملف صورة تصنيف ميديا وسائط
پرونده تصویر رده مدیا
فائل زمرہ
پەڕگە وێنە پۆل
קובץ תמונה קטגוריה מדיה
טעקע בילד קאטעגאריע
चित्र श्रेणी वर्ग संचिका
চিত্র বিষয়শ্রেণী
படிமம் பகுப்பு
దస్త్రం వర్గం బొమ్మ
ಚಿತ್ರ ವರ್ಗ
ചിത്രം പ്രമാണം വർഗ്ഗം
ไฟล์ ภาพ หมวดหมู่
ფაილი სურათი კატეგორია
պատկեր կատեգորիա
文件 档案 檔案 圖像 图像 图片 分类 分類 媒体 媒體
ファイル 画像 カテゴリ
파일 그림 분류
категори кат категориясы санат kategorėjė catègorie kategori
kategorie ofbyld bestân lêer beeld
ficher catigurìa catigoria
"""
HIDDEN_PREFIXES = frozenset(name.replace("_", " ") for name in _PREFIXES.split())
"""Link prefixes of files and categories, in lower case: such a link shows nothing in the text."""

# Sections that list sources or point elsewhere, in lower case. They go with their subsections.
_SKIPPED_SECTIONS = """
references; reference; references and notes; notes and references; references and sources;
sources and references; references and further reading; references cited; general references;
external references; notes; note; notes and citations; citations and notes; notes and sources;
sources and notes; explanatory notes; footnotes; footnotes and references; endnotes; citations;
source; sources; cited sources; sources cited; works cited; publications cited; literature
cited; primary sources; secondary sources; additional sources; external sources; sources and
further reading; bibliography; selected bibliography; bibliography and references; further
reading; additional reading; recommended reading; suggested reading; further information;
external link; external links; web links; links; see also; related pages; gallery; galleries;
image gallery; picture gallery; photo gallery; other websites; references and external links;
external links and references; notes and further reading;

einzelnachweise; einzelnachweise und anmerkungen; anmerkungen und einzelnachweise; anmerkungen;
fußnoten; belege; quellen; quellen und literatur; literatur; literatur und quellen; literatur
(auswahl); weblinks; weblink; siehe auch; galerie; bildergalerie; bilder; nachweise;
literaturhinweise;

références; notes et références; notes; sources; sources et références; bibliographie; voir
aussi; liens externes; lien externe; articles connexes; annexes; galerie; galerie d'images;
liens; références et notes; notes et sources; pour approfondir; lectures complémentaires;

referencias; notas; notas y referencias; referencias y notas; bibliografía; enlaces externos;
véase también; vease también; fuentes; galería; galería de imágenes; enlaces; lecturas
adicionales; bibliografía adicional; referencias bibliográficas; citas; notas al pie;

referências; notas e referências; ligações externas; ver também; bibliografia; veja também;
leitura adicional; galeria; referências bibliográficas; fontes; leituras adicionais; notas;

note; riferimenti; bibliografia; collegamenti esterni; voci correlate; altri progetti; fonti;
galleria d'immagini; galleria fotografica; riferimenti bibliografici; annotazioni;

referenties; bronnen; bron; externe links; externe link; zie ook; literatuur; voetnoten;
bronnen, noten en/of referenties; bronnen en referenties; noten; verder lezen; galerij;
afbeeldingen; externe koppelingen; noten en referenties; fotogalerij;

källor; referenser; noter; externa länkar; se även; vidare läsning; litteratur; fotnoter;
galleri; bilder; tryckta källor; webbkällor; källhänvisningar; källförteckning; anmärkningar;

przypisy; bibliografia; linki zewnętrzne; zobacz też; uwagi; galeria; literatura; źródła; linki
zewnętrzne i źródła; materiały źródłowe;

примечания; литература; ссылки; см. также; источники; библиография; галерея; сноски;
комментарии; внешние ссылки; примечания и ссылки; смотри также; смотрите также; фотогалерея;

примітки; література; посилання; див. також; джерела; галерея; виноски; зовнішні посилання;
бібліографія; джерела та література; література та джерела; дивись також; дивіться також;

бележки; източници; външни препратки; вижте също; литература; галерия; бележки и източници;
препратки; използвана литература; цитирани източници;

референце; извори; литература; спољашње везе; види још; такође погледајте; галерија; напомене;
белешке; reference; izvori; literatura; spoljašnje veze; vidi još; galerija; napomene; vanjske
poveznice; također pogledajte; vanjski linkovi; povezano; poveznice; bilješke; fusnote;
надворешни врски; наводи; поврзано; белешки; поврзани теми; наводи и белешки;

reference; poznámky; literatura; externí odkazy; související články; odkazy; galerie; zdroje;
prameny; poznámky a reference; referencie; poznámky a referencie; literatúra; externé odkazy;
iné projekty; pozri aj; zdroj; galéria; opombe; sklici; viri; zunanje povezave; glej tudi;
sklici in opombe; sklici in viri; viri in opombe;

jegyzetek; források; forrás; irodalom; további információk; kapcsolódó szócikkek; külső
hivatkozások; lásd még; galéria; képek; hivatkozások; ajánlott irodalom; megjegyzések;

note; referințe; bibliografie; legături externe; vezi și; lectură suplimentară; note și
referințe; galerie; galerie de imagini; surse; note de completare;

lähteet; viitteet; aiheesta muualla; kirjallisuutta; katso myös; kuvia; huomautukset;
lähdeluettelo; kirjallisuus; aiheesta lisää;

kaynakça; kaynaklar; dış bağlantılar; ayrıca bakınız; notlar; dipnotlar; galeri; okuma listesi;
bibliyografi; konuyla ilgili yayınlar; özel;

referanser; kilder; eksterne lenker; se også; litteratur; fotnoter; noter; galleri; kjelder;
referansar; eksterne lenkjer; sjå òg; bakgrunnsstoff; referencer; eksterne henvisninger;
kildehenvisninger; henvisninger; eksterne links; noter og referencer; litteratur og kilder;
billeder;

referències; notes i referències; enllaços externs; vegeu també; bibliografia; notes; galeria;
galeria d'imatges; vegi's també; fonts; referencies; ver tamén; ligazóns externas; notas; véxase
tamén; erreferentziak; kanpo estekak; ikus, gainera; oharrak; gainera ikusi; referencoj; notoj;
eksteraj ligiloj; vidu ankaŭ; bibliografio; literaturo; fontoj; referencoj kaj notoj; piednotoj;
galerio;

viited; välislingid; vaata ka; kirjandus; allikad; galerii; märkused; šaltiniai; nuorodos; taip
pat skaitykite; literatūra; išnašos; galerija; atsauces; ārējās saites; skatīt arī; piezīmes;
avoti; nūruodis; atsaucis; vīnys; verīs taipoš; verīs ari; ārejuos saitys; izmontuota
literatura; lobs zynuot; vydklejeigi saitys;

παραπομπές; σημειώσεις; βιβλιογραφία; εξωτερικοί σύνδεσμοι; δείτε επίσης; πηγές; υποσημειώσεις;
εξωτερικές συνδέσεις; φωτοθήκη; περαιτέρω ανάγνωση;

tham khảo; chú thích; liên kết ngoài; xem thêm; thư mục; ghi chú; đọc thêm; hình ảnh; nguồn;
referensi; pranala luar; lihat pula; catatan; daftar pustaka; bacaan lanjutan; catatan kaki;
bibliografi; lihat juga; rujukan; pautan luar; sumber; pranala; galeri; bacaan lebih lanjut; mga
sanggunian; sanggunian; mga panlabas na kawing; tingnan din; talasanggunian; mga kawing
panlabas; mga reperensya; mga tala;

المراجع; مراجع; مصادر; المصادر; وصلات خارجية; انظر أيضا; انظر أيضًا; طالع أيضًا; هوامش; ملاحظات;
معرض صور; روابط خارجية; معرض الصور; انظر ايضا; ملحوظات; قراءات إضافية; المراجع والمصادر; لينكات
برانيه; مصادر ومراجع; منابع; پانویس; پیوند به بیرون; جستارهای وابسته; یادداشت‌ها; نگارخانه; برای
مطالعه بیشتر; پانوشت; پانویس‌ها; حوالہ جات; حوالہ‌جات; بیرونی روابط; مزید دیکھیے; حواشی; مزید
دیکھیں; הערות שוליים; קישורים חיצוניים; ראו גם; לקריאה נוספת; גלריה; ביאורים; מקורות; גלריית
תמונות; סעיף רעפערענצן; רעפערענצן; וועבלינקען;

参考文献; 参考资料; 參考資料; 參考文獻; 注释; 註釋; 注釋; 脚注; 腳註; 腳注; 外部链接; 外部連結;
外部鏈接; 参见; 參見; 参看; 參看; 延伸阅读; 延伸閱讀; 相关条目; 相關條目; 参考; 參考; 來源;
来源; 資料來源; 资料来源; 图集; 圖集; 画廊; 備註; 备注; 引用; 註解; 注解; 相關連結; 外部リンク;
関連項目; 出典; 注釈; 関連書籍; 関連文献; 画像; ギャラリー; 引用文献; 注記; 出典・脚注;
注釈・出典; 脚注・出典; 각주; 주석; 참고 문헌; 참고문헌; 외부 링크; 외부 고리; 같이 보기; 바깥
고리; 함께 보기; 출처; 갤러리; 참고 자료; 내용주; 참조주; อ้างอิง; แหล่งข้อมูลอื่น; ดูเพิ่ม; เชิงอรรถ;
หมายเหตุ; บรรณานุกรม; อ่านเพิ่มเติม; सन्दर्भ; संदर्भ; बाहरी कड़ियाँ; इन्हें भी देखें; बाह्य सूत्र; यह भी
देखें; टिप्पणी; हे सुद्धा पहा; बाह्य दुवे; संदर्भ आणि नोंदी; তথ্যসূত্র; বহিঃসংযোগ; আরও দেখুন; টীকা;
আরো দেখুন; আরও পড়ুন; গ্রন্থপঞ্জি; மேற்கோள்கள்; வெளி இணைப்புகள்; இவற்றையும் பார்க்க; உசாத்துணை; ఇవి కూడా
చూడండి; మూలాలు; బయటి లింకులు; ಉಲ್ಲೇಖಗಳು; ಬಾಹ್ಯ ಸಂಪರ್ಕಗಳು; ಇವನ್ನೂ ನೋಡಿ; ಉಲ್ಲೇಖ; അവലംബം; പുറത്തേക്കുള്ള
കണ്ണികൾ; ഇതും കാണുക; წყაროები; სქოლიო; რესურსები ინტერნეტში; იხილეთ აგრეთვე; ლიტერატურა;
ბიბლიოგრაფია; შენიშვნები; ծանոթագրություններ; արտաքին հղումներ; տես նաև; գրականություն;
աղբյուրներ; պատկերասրահ; istinadlar; xarici keçidlər; həmçinin bax; qeydlər; ədəbiyyat; mənbə;
qalereya; manbalar; havolalar; дереккөздер; сыртқы сілтемелер; тағы қараңыз; пайдаланылған
әдебиет; сілтемелер; заўвагі; крыніцы; спасылкі; літаратура; гл. таксама; зноскі; вонкавыя
спасылкі; naslagliggame; nasleeg; verwysings; eksterne skakels; sien ook; lees ook; bronne;
tilvísanir; heimildir; tengt efni; ytri tenglar; tenglar; sjá einnig; cyfeiriadau; dolenni
allanol; gweler hefyd; enllaces esternos; ver tamién; fontes; bibliografía; каҫӑсем; weblenken;
footnoten; kiek ok; sjoch ek; keppelings om utens; boarnen, noaten en/as referinsjes; um
spaweck; kuckt och; ligams extèrnes; referéncias; vejatz tanben; nòtas; linganbi foresti;
external airtins; see an aa; exterala ligili; ligamines externe; ang mga gi basihan;
билгалдахарш; хьажоргаш; gerelateerde onderwerpen; vedi anche; ffynonellau; tagairtí; naisc
sheachtracha; féach freisin; nasc amuigh; naisc amuigh;
"""
SKIPPED_SECTIONS = frozenset(
    " ".join(name.split()) for name in _SKIPPED_SECTIONS.split(";") if name.strip()
)
"""Headings, in lower case, of sections that are no prose of the article."""

# Templates that say that a page only lists what its title may mean, without "(disambiguation)" or
# subpage behind them; set indices list things of one kind with one name.
_DISAMBIGUATION = """
disambig; disambiguation; disamb; dab; dabpage; disambig-cleanup; disambiguation cleanup; dmbox;
human name disambiguation; hndis; hndis-cleanup; hndab; numberdis; number disambiguation;
mathdab; geodis; place name disambiguation; roaddis; road disambiguation; schooldis; school
disambiguation; hospitaldis; hospital disambiguation; airport disambig; airport disambiguation;
call sign disambiguation; callsigndis; chinese title disambiguation; biology disambiguation;
biodis; species latin name disambiguation; species latin name abbreviation disambiguation; latin
name disambiguation; latindab; genus disambiguation; taxonomy disambiguation; case law
disambiguation; caselaw disambiguation; letter disambiguation; letter-number combination
disambiguation; letter-numbercombdisambig; lncd; lndis; mathematical disambiguation; mathematics
disambiguation; music disambiguation; opus disambiguation; mil-unit-dis; military unit
disambiguation; molecular formula disambiguation; portal disambiguation; political party
disambiguation; phonetics disambiguation; station disambiguation; stationdis; wikipedia
disambiguation; substation disambiguation; synagogue disambiguation; temple disambiguation;
church disambiguation; airportdis; geo-dis; meteorology disambiguation; television episode
disambiguation; songdis; title and name disambiguation; hndisambig; shipindex; ship index; set
index; set index article; sia; sportindex; sport index; stormindex; storm index; roadindex; road
index; mountainindex; mountain index; lakeindex; lake index; plant common name; animal common
name; fungus common name; molformindex; molecular formula index; chemistry index; chemindex;
enzymeindex; enzyme index; media set index; locomotive index; begriffsklärung; begriffsklaerung;
bkl; bks; homonymie; homonymes; homonyme; desambiguación; desambiguacion; desambig;
desambiguação; desambigua; disambigua; desambiguació; homònims; acrònim; dp; doorverwijspagina;
doorverwijzing; dpintro; dpafkorting; förgrening; grensida; gren; flertydig; peker; disambig-fi;
täsmennyssivu; täsmennys; ujednoznacznienie; strona ujednoznaczniająca; disambigq;
неоднозначность; неоднозначность-список; неоднозначність; пояснение; пояснителна страница;
неяснота; вишезначна одредница; višeznačna odrednica; razdvojba; razločitev; rozcestník;
rozlišovacia stránka; disambigz; egyért; egyért-redir; dezambiguizare; dezambig; anlam ayrımı;
dəqiqləşdirmə; argipen; adiro; apartigilo; täpsustuslehekülg; nuorodinis straipsnis; disambigo;
nozīmju atdalīšana; zeimeibu škiršona; disambigg; disambign; disambigc; αποσαφήνιση; đổi hướng
định hướng; trang định hướng; định hướng; disambiguasi; nyahkekaburan; paglilinaw; توضيح; صفحة
توضيح; ابهام‌زدایی; ضد ابهام; ابہام دور کریں; ضدابہام; פירושונים; באדייטן; 消歧义; 消歧義;
消歧义页; 消歧義頁; 姓氏消歧义; 地名消歧义; 人名消歧义; 曖昧さ回避; 人名の曖昧さ回避;
地名の曖昧さ回避; aimai; aimai-pages; 동음이의; 동명이인; แก้กำกวม; แก้ความกำกวม; बहुविकल्पी शब्द;
बहुविकल्पी; দ্ব্যর্থতা নিরসন; பக்கவழி நெறிப்படுத்தல்; అయోమయ నివృత్తి; მრავალმნიშვნელოვანი;
բազմիմաստություն; երկիմաստ; айрық; неадназначнасць; неадназначнасьць; dubbelsinnig; aðgreining;
gwahaniaethu; idirdhealú; discretiva; omonimia; homonimia; homonímia; homonimo;
"""
DISAMBIGUATION = frozenset(
    " ".join(name.split()).lower() for name in _DISAMBIGUATION.split(";") if name.strip()
)
"""Names, in lower case, of templates that mark disambiguation pages and set indices."""

# These stand on bare lists of people and on articles about a name alike.
NAME_LISTS = frozenset(
    " ".join(name.split())
    for name in """
    given name; given names; forename; surname; surnames; last name; family name; nickname;
    given name or surname; given name and surname; hebrewnames; dab surname; patronyme; paronymie;
    prénom; etternavn; efternamn; förnamn; familienname; vorname; apellido; nombre; фамилия; тёзки;
    однофамильцы; список однофамильцев; прізвище; sobrenome; cognome; nazwisko; achternaam
    """.split(";")  # noqa: SIM905 - a list literal of these would fill the page
)
"""Templates, in lower case, of pages about a name: a set index if they are mostly a list."""

DISAMBIGUATION_SUFFIXES = frozenset(
    " ".join(name.split())
    for name in """
    disambiguation; begriffsklärung; homonymie; desambiguación; desambiguação; disambigua;
    doorverwijspagina; ujednoznacznienie; значения; неоднозначность; значення; olika betydelser;
    пояснение; вишезначна одредница; višeznačna odrednica; rozcestník; rozlišovacia stránka;
    egyértelműsítő lap; dezambiguizare; täsmennyssivu; anlam ayrımı; flertydig; andre betydninger;
    desambiguació; argipena; apartigilo; reikšmės; nozīmju atdalīšana; αποσαφήνιση;
    định hướng; disambiguasi; nyahkekaburan; paglilinaw; توضيح; ابهام‌زدایی; ضدابہام; פירושונים;
    消歧义; 消歧義; 曖昧さ回避; 동음이의; แก้ความกำกวม; बहुविकल्पी; দ্ব্যর্থতা নিরসন; dəqiqləşdirmə;
    მრავალმნიშვნელოვანი; այլ կիրառումներ; неадназначнасць; dubbelsinnig
    """.split(";")  # noqa: SIM905 - a list literal of these would fill the page
)
"""What stands in brackets at the end of the title of such a page, in lower case."""
