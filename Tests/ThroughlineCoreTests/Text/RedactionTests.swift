internal import Testing
internal import ThroughlineCore

@Suite struct RedactionTests {
    @Test(arguments: [
        ("http://user:pass@host:80/path?token=1#x", "http://host:80/path?..."),
        ("https://a:b@c@host/", "https://host/"),
        ("rtsp://user@host/film", "rtsp://host/film"),
        ("http://host/a@b", "http://host/a@b"),
        ("http://host/a#b?c", "http://host/a"),
        ("user:pass@host/x", "host/x"),
        ("films/a@b?c#d.mp4", "films/a@b?c#d.mp4"),
        ("http://ho\u{1b}st/", "http://ho?st/"),
        ("", ""), ("://", "://"), ("?", "?"), ("@", "@"),
    ])
    func whatIsShown(url: String, shown: String) { #expect(redacted(url) == shown) }

    @Test(arguments: [
        (["play", "http://u:p@h/x?token=1", "-o", "a b.ts"], ["play", "http://h/x?...", "-o", "a b.ts"]),
        (["--header", "Authorization: Bearer s", "film.mp4"], ["--header", "Authorization:...", "film.mp4"]),
        (["--header=Cookie: s", "--report=http.json"], ["--header=Cookie:...", "--report=http.json"]),
        (["--auth", "basic:me:s"], ["--auth", "basic:..."]),
        (["--events=-", "rtsp://u:p@h"], ["--events=-", "rtsp://h"]),
        (["--header", "Authorization Bearer s"], ["--header", "Authorization:..."]),
        (["--headr", "Authorization: s"], ["--headr", "Authorization:..."]), (["my film: 2.mp4"], ["my film: 2.mp4"]),
    ])
    func whatIsShownOfArguments(arguments: [String], shown: [String]) {
        #expect(redactedArguments(arguments) == shown)
    }

    @Test(arguments: [
        ("The value 'http://u:p@h/x' is", "The value 'http://h/x' is"), ("a://u@b c://d@e", "a://b c://e"),
        ("mail a@b", "mail a@b"), ("http://h/a@b", "http://h/a@b"), ("://", "://"), ("", ""),
    ])
    func whatIsShownOfATextWithURLs(text: String, shown: String) { #expect(withoutPasswords(text) == shown) }

    @Test func isBounded() {
        #expect(redacted("http://host/" + String(repeating: "x", count: 1000)).count == 259)
    }
}
