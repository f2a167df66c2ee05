/// Languages as session descriptions name them, `en` or `de-CH` (RFC 5646), in the three letters of containers (ISO
/// 639-2, terminology codes), so that the flows of different origins can be told to be of one language.
enum LanguageTag {
    /// Nil where the tag names no language. Two letters that are not in the table stay as they are.
    static func threeLetters(_ tag: String) -> String? {
        let letters = tag.utf8.prefix { $0 | 0x20 >= UInt8(ascii: "a") && $0 | 0x20 <= UInt8(ascii: "z") }
        guard (2...3).contains(letters.count) else { return nil }
        let name = String(decoding: letters.map { $0 | 0x20 }, as: UTF8.self)
        return table[name] ?? name
    }

    private static let table = [
        "ar": "ara", "bg": "bul", "bn": "ben", "ca": "cat", "cs": "ces", "cy": "cym", "da": "dan", "de": "deu",
        "el": "ell", "en": "eng", "es": "spa", "et": "est", "eu": "eus", "fa": "fas", "fi": "fin", "fr": "fra",
        "ga": "gle", "gl": "glg", "he": "heb", "hi": "hin", "hr": "hrv", "hu": "hun", "id": "ind", "is": "isl",
        "it": "ita", "ja": "jpn", "ko": "kor", "lt": "lit", "lv": "lav", "mk": "mkd", "ms": "msa", "nb": "nob",
        "nl": "nld", "nn": "nno", "no": "nor", "pl": "pol", "pt": "por", "rm": "roh", "ro": "ron", "ru": "rus",
        "sk": "slk", "sl": "slv", "sq": "sqi", "sr": "srp", "sv": "swe", "ta": "tam", "te": "tel", "th": "tha",
        "tr": "tur", "uk": "ukr", "ur": "urd", "vi": "vie", "zh": "zho",
        // The bibliographic codes of the same languages.
        "cze": "ces", "dut": "nld", "fre": "fra", "ger": "deu", "gre": "ell", "per": "fas", "rum": "ron",
        "slo": "slk", "chi": "zho", "wel": "cym", "baq": "eus", "ice": "isl", "mac": "mkd", "may": "msa", "alb": "sqi",
    ]
}
