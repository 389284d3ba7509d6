"""Letters that no text reader knows: what cannot be read is neither right nor wrong, and goes to a person.

The table is that of the light recogniser (PP-OCRv6), which knows more letters than EasyOCR's English model; a test
holds it against the recogniser's own list. A vision-language model may know others, and accepts nothing.
"""

from __future__ import annotations

import unicodedata
from typing import Final

_SCRIPTS: Final = ("LATIN", "CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "FEMININE", "MASCULINE")
"""First words of the Unicode names of letters that it was taught. It has some of Greek, as signs of mathematics, and
reads them as Latin ones beside accented letters that it lacks."""
_LATIN_END: Final = "\u024f"
"""Last of the Latin letters, Extended-B: of those behind it, such as Vietnamese ones, it has two."""
_KANA_END: Final = "\u30ff"
"""Last of the kana: those of Ainu and of old books stand behind it."""
_STANDARDS: Final = ("gb2312", "shift_jis", "big5")
"""Chinese and Japanese standards, of whose characters it has nearly all; of Big5 only the first level counts."""
_BIG5: Final = (b"\xa4\x40", b"\xc6\x7e")
_LACKING: Final = frozenset(
    "ゐゔゟヱ丗丨丬丶乇乕乢亅亠亻仭伜侫侭俥偖僣儅儖冖冦冩冫凧凩凾刋刔剱劒劻勠勹匚匳卆卩厶叺呟哘哜唹啀啌啝喞噐嚊嚔嚠囎"
    "囘圦圷圸垅垉垪垳埀埓埖埣墸墹壗壜壥夂夛夲妛姅娚嬶宀寉尠屶岶岼岾峺崕嵳嵶嶐巓帋幤廏廴弪彁彑忄忰怺恷悋愡慙慯懴戝扌扠"
    "扨抂挢挧掵揞搿擶攅攵斈昿晄暼曁曵朷枦枩柆桍梍梹梺棔椚椛椡椢椣椦椨楜楴楾榀榁槝槞槫槹樌樒樢樮樶橲橸檪櫁欝欟殕殱毟氵"
    "汢沲泶涜淕渖湶溂溌澑濳灬熕燵燸犭犲狢猸珱瓧瓰瓱瓲瓸甅甎甼畄畆畉畍畩畭疂疉痖癨癶皀皃皹眤瞹砿硲硴硷碯碵磆礇礤礻禝秡"
    "穃穐竍竏竒竓竕竡竰竸笂笶筺箚箟篏篶簓簔籏籖籘籵粁粐粡粨粫粭糂糘絋綛緕縺繿纃纉纎纟缋缍缏罸羮翆聢肀肬腟膓膤膪膸臁舮"
    "艝艢艪茣莇莚莟菷菻萓萢萪葢葮蓙蘯蘰虍蚫蟐蠎蠧衤袮裄褝襍覊觧詑詨誧譱讠诶谘谺豼貎賍赱踈躱躾軅軆軈軣輙轌轜轣辶辷迚迯"
    "逧遉遖釖釛釟釡釶釼鈩鈬鉐錺鍄鏥鑓钅钶钸镙镟閊閖閙閠陦靤靹鞐韈韲颪飃飚饣馀駲髞髱鮖鮴鯑鯣鯲鯵鰄鰊鰔鰡鱶鲶鳆鳋鳫鴪鴬"
    "鵆鵈鵤鶫鶸鷆鷭麕麭鼡齄"
)
"""Kana, and characters of those standards, that are not in its list: radicals and archaic forms."""


def foreign(text: str) -> tuple[str, ...]:
    """The letters and digits of scripts that no reader was made for, each once; one may be read by chance."""
    return _each(text, in_script=False)


def unreadable(text: str) -> tuple[str, ...]:
    """The letters and digits that no reader knows, each once: all of foreign scripts, and rare ones of others."""
    return _each(text, in_script=True)


def _each(text: str, *, in_script: bool) -> tuple[str, ...]:
    # Compatibility forms, such as full width, are read as what they stand for.
    letters = [c for c in dict.fromkeys(unicodedata.normalize("NFKC", text)) if not c.isascii() and c.isalnum()]
    return tuple(c for c in letters if not _is_taught(c) or (in_script and not _is_listed(c)))


def _is_taught(letter: str) -> bool:
    return unicodedata.name(letter, "").partition(" ")[0] in _SCRIPTS


def _is_listed(letter: str) -> bool:
    if letter in _LACKING:
        return False
    name = unicodedata.name(letter)
    if name.startswith("LATIN"):
        return letter <= _LATIN_END
    if not name.startswith("CJK"):
        return letter <= _KANA_END
    return any(_holds(coding, letter) for coding in _STANDARDS)


def _holds(coding: str, letter: str) -> bool:
    code = letter.encode(coding, errors="ignore")
    return len(code) > 1 and (coding != "big5" or _BIG5[0] <= code <= _BIG5[1])
