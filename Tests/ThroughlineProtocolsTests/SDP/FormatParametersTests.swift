internal import Testing
internal import ThroughlineProtocols

@Suite struct FormatParametersTests {
    @Test("Names are compared without regard to case, and what is no parameter is passed over")
    func read() {
        let parameters = FormatParameters(" Mode=AAC-hbr;SizeLength = 13 ;; flag;config=12=34; sizelength=5")
        #expect(parameters["mode"] == "AAC-hbr" && parameters["config"] == "12=34" && parameters["flag"] == "")
        #expect(parameters.number("sizelength") == 13 && parameters.number("mode") == nil)
        #expect(parameters["nothing"] == nil && FormatParameters(nil)["mode"] == nil)
        #expect(FormatParameters("a=-1;b=9999999999;c=").number("a") == nil)
        #expect(FormatParameters("a=-1;b=9999999999;c=").number("b") == nil)
        #expect(FormatParameters("=;=x;;")["x"] == nil)
    }
}
