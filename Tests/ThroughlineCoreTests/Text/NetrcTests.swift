internal import Testing
internal import ThroughlineCore

@Suite struct NetrcTests {
    private let file = Netrc(
        """
        # of the house
        machine Media.example login anna password "a \\"secret\\" word"
        machine other.example
            login bert
            account none
            password p#ss   # a comment
        macdef init
        machine trap.example login x password y

        machine media.example login carl password second
        default login guest password ""
        """)

    @Test(
        "Who to be at a host",
        arguments: [
            ("media.example", nil, "anna", "a \"secret\" word"), ("MEDIA.EXAMPLE", "carl", "carl", "second"),
            ("other.example", nil, "bert", "p#ss"), ("trap.example", nil, "guest", ""), ("else", nil, "guest", ""),
        ] as [(String, String?, String, String)])
    func found(host: String, user: String?, name: String, password: String) {
        let entry = file.entry(for: host, user: user)
        #expect(entry?.user == name && entry?.password == password)
    }

    @Test func nobody() {
        #expect(file.entry(for: "other.example", user: "anna") == nil)
        #expect(Netrc("").entry(for: "h") == nil)
        #expect(Netrc("machine").entry(for: "h") == nil)
        #expect(Netrc("login x password y machine \"").entry(for: "h") == nil)
    }

    @Test(
        "A user and a password in a URL",
        arguments: [
            ("http://h/a", "http://an%20na:p%40%2Fss%C3%A4@h/a"),
            ("rtsp://h:554", "rtsp://an%20na:p%40%2Fss%C3%A4@h:554"),
            ("http://me@h/", "http://me@h/"), ("http://h/a@b", "http://an%20na:p%40%2Fss%C3%A4@h/a@b"),
            ("film.mp4", "film.mp4"),
        ])
    func inURL(url: String, result: String) {
        #expect(withCredentials(url, user: "an na", password: "p@/ssä") == result)
    }

    @Test(
        "The host of a URL",
        arguments: [
            ("http://H:80/a", "H"), ("rtsp://u:p@h", "h"), ("https://[::1]:8443/a", "::1"), ("film.mp4", nil),
            ("http:///x", nil),
        ] as [(String, String?)])
    func hosts(url: String, expected: String?) { #expect(hostName(of: url) == expected) }
}
