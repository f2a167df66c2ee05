internal import Testing
internal import ThroughlineProtocols

@Suite struct RTSPAddressTests {
    @Test(
        arguments: [
            ("rtsp://host/film", "rtsp://host/film", nil),
            ("RTSPT://host:8554/film", "rtsp://host:8554/film", .tcp),
            ("rtspu://u:p@host/film", "rtsp://host/film", .udp),
        ] as [(String, String, RTSPTransport.Lower?)])
    func schemesThatForceATransport(text: String, url: String, lower: RTSPTransport.Lower?) throws {
        let address = try #require(RTSPAddress(text))
        #expect(address.url == url, "no server knows such a scheme")
        #expect(address.lower == lower)
        #expect(!address.usesTLS)
        #expect(RTSPAddress.isRTSP(text))
    }

    @Test func secretsAreNoPartOfTheURL() throws {
        let address = try #require(RTSPAddress("rtsps://us%40er:p%3Aw@[::1]/film?x=1#y"))
        #expect(address.url == "rtsps://[::1]/film?x=1")
        #expect(address.user == "us@er" && address.password == "p:w")
        #expect(address.host == "::1" && address.port == 322 && address.usesTLS && address.lower == nil)
    }

    @Test(arguments: ["http://host/", "rtsp:///film", "rtsp://host:0/", "rtsp://host:70000/", "rtsp://a b/"])
    func whatIsNone(text: String) { #expect(RTSPAddress(text) == nil) }
}
