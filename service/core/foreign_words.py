"""Frequent words of other languages, as people type them to describe sounds; English words among them are neutral."""

_WORDS = {
    "French": """
        un une des du les aux est sont sur dans avec qui loin près derrière devant puis quelque quelqu chien chiens
        oiseau oiseaux cheval chevaux vache coq abeille abeilles grenouille aboie aboient aboiement miaule miaulement
        chante chantent gazouille gazouillent homme hommes femmes enfant enfants bébé bebe fille garçon parle parlent
        voix rire rires rit rient pleure pleurs crie crient cri cris foule applaudissements pluie orage tonnerre eau
        vagues mer rivière ruisseau neige tombe souffle coule feu voiture voitures moteur hélicoptère sirène vélo ferme
        ouvre sonnette sonne téléphone musique violon guitare pas escalier verre brise casse marteau scie perceuse
        aspirateur boit le passent tousse éternue siffle sifflent joue jouent courent marchent goutte gouttes robinet
        électrique gens lointain lointaine explose il elle pleut ronflement accélère église
        """,
    "German": """
        ein eine einen einem einer eines der das und ist sind im mit auf aus bei von vom zum zur über unter vor neben
        durch wird werden jemand hund hunde hundegebell bellt bellen bellender katze katzen miaut miauen vogel vögel
        voegel vogelgezwitscher zwitschern zwitschert pferd pferde wiehert kuh muht kräht schaf biene bienen summen
        summt frosch quakt männer frau frauen spricht sprechen redet reden stimme stimmen spielen lacht lachen weint
        weinen schreit schreien geschrei menschenmenge applaus klatschen klatscht regen regnet weht gewitter donner
        donnert wasser fließt fliesst wellen meer rauschen rauscht feuer knistert fährt faehrt vorbei lastwagen flugzeug
        hubschrauber sirene heult martinshorn hupe hupt fahrrad tür tuer knallt schließt öffnet klingel klingelt glocke
        glocken läutet telefon musik geige gitarre schritte treppe geräusch lärm glas zerbricht tastatur tippt hämmert
        säge bohrmaschine bohrt staubsauger die husten hustet niest tropft klavier schuss schüsse spielt leise läuft
        geht regentropfen laufende dusche menge tastaturgeräusche schnarchen möwen kies ruft kirchenglocken motorrad
        kettensäge
        """,
    "Spanish": """
        un una unos unas el los las del está están por sobre mientras alguien lejos cerca perro perros ladra ladran
        ladrando ladrido ladridos gato gatos maúlla maulla maullando pájaro pájaros pajaro pajaros cantan cantando
        caballo caballos relincha vaca muge oveja abeja abejas rana ranas hombre hombres mujer mujeres habla hablan
        hablando voz voces niño niños niña niñas nino ninos jugando juegan gritando gritan grita grito gritos ríe rie
        riendo risa risas llora llorando llanto bebé gente multitud aplausos aplaude lluvia llueve lloviendo viento
        sopla tormenta trueno truenos agua cae olas río fuego coche coches carro camión avión helicóptero sirena sirenas
        suena suenan bocina bicicleta puerta golpea golpe campana campanas teléfono música canción tambor guitarra
        violín pasos escalera ruido ruidos vidrio rompe rompiendo teclado escribiendo martillo taladro aspiradora pasa
        pasando tose tosiendo corriendo corre disparo disparos estornuda musica tren truena acelera motosierra ronquidos
        gaviotas hierve
        """,
    "Italian": """
        un uno una il gli dei degli delle della del dello nel nella sul sono mentre qualcuno lontano vicino cani abbaia
        abbaiano gatto gatti miagola uccello uccelli cantano cinguettano cavallo cavalli mucca pecora api rana uomo
        uomini parla parlano voce voci bambini bambina giocano gridano urla urlano ridono risata risate piange piangono
        pianto folla applausi pioggia piove vento soffia temporale tuono tuoni acqua scorre onde fiume fuoco macchina
        motore aereo elicottero sirena suona suonano treno bicicletta porta sbatte apre chiude campanello campana
        campane telefono musica tamburo chitarra violino passi rumore vetro rompe tastiera martello trapano tossisce
        neonato classica clacson spari starnutisce sveglia ghiaia
        """,
    "Portuguese": """
        uma uns umas das ao aos nas nos são está estão por sobre enquanto alguém perto cão cães cachorro cachorros latem
        latindo latido gato gatos miando pássaro pássaros passaro passaros cantando cantam cavalo cavalos vaca galo
        ovelha abelha abelhas sapo homem homens mulher mulheres fala falam falando voz vozes criança crianças crianca
        criancas brincando brincam gritando gritam ri rindo risada risadas chora chorando choro bebê multidão aplausos
        chuva chove chovendo vento sopra tempestade trovão trovões água agua cai caindo ondas fogo carro carros caminhão
        avião helicóptero sirene toca tocando buzina trem bicicleta porta batendo campainha sino sinos telefone música
        canção tambor violão passos escada barulho ruído vidro quebra quebrando teclado martelo furadeira tosse tiros um
        late
        """,
    "Dutch": """
        een het op naar voor achter onder terwijl iemand zijn wordt hond honden blaft blaffen katten miauwt vogel vogels
        fluiten fluit zingen zingt paard paarden koe haan schaap bij bijen kikker vrouw vrouwen praat praten spreekt
        stemmen kinderen spelen lacht lachen huilt huilen schreeuwt schreeuwen menigte applaus regen valt waait onweer
        donder golven vuur vliegtuig helikopter loeit claxon fiets trein deur slaat opent klok klokken telefoon muziek
        liedje gitaar viool voetstappen geluid lawaai breekt toetsenbord hamer zaag stofzuiger dondert wekker gaat
        publiek komt aan
        """,
    "Swedish, Norwegian or Danish": """
        ett og är på med det hund hundar hunde skäller bjeffer gør katt fågel fåglar fugl fugler kvittrar kvinna kvinne
        kvinde mannen pratar snakker leker skriker skrattar gråter gråder regn regnet vind vinden blåser åska torden
        vatten vann vand kör kjører kører dörr dør stänger klocka klokke musik musikk steg trappan
        """,
    "Polish, Czech or Slovak": """
        się są psy szczeka szczekanie kot miauczy ptak ptaki śpiewają kobieta mężczyzna mówi mówią dziecko dzieci
        krzyczą płacze śmieje deszcz pada wiatr wieje burza grzmot woda samochód jedzie silnik syrena drzwi dzwonek
        dzwoni muzyka kroki štěká kočka mňouká ptáci zpívají žena muž mluví děti křičí pláče déšť prší vítr fouká voda
        dveře zvoní hudba
        """,
    "Turkish": """
        bir ve ile köpek havlıyor köpekler kedi miyavlıyor kuş kuşlar ötüyor kadın konuşuyor çocuk çocuklar ağlıyor
        gülüyor bağırıyor yağmur yağıyor rüzgar esiyor gök gürültüsü su araba geçiyor kapı çalıyor müzik
        """,
}
_NEUTRAL = """
    adam al am ape auto automobile autos avion bach bambino barn bate bateau bel bil boor bruit bruits cade camion cane
    canzone chaise chanson chat chats che claque clavier claxon cloche cloches com con cri cuisine dak de dem den die do
    donna donne door dos en er es et fall faller femme gallo glas hahn hinter jamar jest kat kind kinder klaxon la late
    ler lied lo longe loup man mange mann marche mare me med met mia motor mouton na no och op os para parole pendant
    pes pies porte prater pres regent ride ringer rio scale se serra sierra som son stem sulla taler tambour timbre trap
    trina trommel um van vent wind zee zug
    """

NEUTRAL_WORDS = frozenset(_NEUTRAL.split())
"""Words of these languages that are English words too, or occur in English names; they do not count as foreign."""

FOREIGN_WORDS = {language: frozenset(words.split()) - NEUTRAL_WORDS for language, words in _WORDS.items()}
"""Frequent words by language; a word can belong to several languages."""

_NAMES = """
    aus del della der derrière des donner du eau el feu gens il las le les loin los mit pas schuss sind sur tiros uno
    """
WORDS_OF_NAMES = frozenset(_NAMES.split())
"""Words that English names and loans have, such as El Camino; a single such word is not evidence of another language."""
