internal import Testing
internal import ThroughlineCore

@testable internal import ThroughlineProtocols

/// Playlists as they are written, and as they should not be.
@Suite struct HLSPlaylistTests {
    private func media(_ lines: String..., url: String = "", imported: [String: String] = [:]) throws
        -> HLSMediaPlaylist
    {
        let text = (["#EXTM3U"] + lines).joined(separator: "\n")
        guard case .media(let playlist) = try HLSPlaylist(Array(text.utf8), url: url, imported: imported) else {
            throw HLSPlaylistError(line: 1, reason: "a multivariant playlist")
        }
        return playlist
    }

    private func multivariant(_ lines: String...) throws -> HLSMultivariantPlaylist {
        let text = (["#EXTM3U"] + lines).joined(separator: "\r\n")
        guard case .multivariant(let playlist) = try HLSPlaylist(Array(text.utf8)) else {
            throw HLSPlaylistError(line: 1, reason: "a media playlist")
        }
        return playlist
    }

    private func error(_ lines: String...) -> HLSPlaylistError? {
        do throws(HLSPlaylistError) {
            _ = try HLSPlaylist(Array(lines.joined(separator: "\n").utf8))
            return nil
        } catch { return error }
    }

    // MARK: - Media playlists

    @Test func aRecordedStream() throws {
        let playlist = try media(
            "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:10", "#EXT-X-PLAYLIST-TYPE:VOD", "#EXT-X-MEDIA-SEQUENCE:7",
            "#EXTINF:9.009,The beginning", "a.ts", "", "# a comment", "#EXTINF:3.003,", "http://elsewhere/b.ts?x=1",
            "#EXT-X-ENDLIST")
        #expect(playlist.version == 3 && playlist.targetDuration == .seconds(10) && playlist.kind == .vod)
        #expect(playlist.mediaSequence == 7 && playlist.isEnded)
        #expect(playlist.segments.map(\.uri) == ["a.ts", "http://elsewhere/b.ts?x=1"])
        #expect(playlist.segments.map(\.title) == ["The beginning", nil] && playlist.segments.map(\.line) == [7, 11])
        #expect(playlist.duration == .milliseconds(12_012))
    }

    @Test func rangesFollowEachOtherInOneResource() throws {
        let playlist = try media(
            "#EXTINF:1,", "#EXT-X-BYTERANGE:100@50", "a.ts", "#EXTINF:1,", "#EXT-X-BYTERANGE:30", "a.ts",
            "#EXTINF:1,", "#EXT-X-BYTERANGE:5@0", "b.ts", "#EXTINF:1,", "#EXT-X-BYTERANGE:7", "a.ts")
        #expect(playlist.segments.map(\.range) == [50..<150, 150..<180, 0..<5, 180..<187])
        #expect(error("#EXTM3U", "#EXTINF:1,", "#EXT-X-BYTERANGE:30", "a.ts")?.line == 4)
        #expect(error("#EXTM3U", "#EXTINF:1,", "#EXT-X-BYTERANGE:x", "a.ts")?.line == 3)
        #expect(error("#EXTM3U", "#EXTINF:1,", "#EXT-X-BYTERANGE:999999999999999999@999999999999999999", "a.ts") == nil)
    }

    @Test func keysHoldUntilTheNextOfTheirFormat() throws {
        let playlist = try media(
            "#EXT-X-KEY:METHOD=AES-128,URI=\"k1\",IV=0x1", "#EXTINF:1,", "a",
            "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://x\",KEYFORMAT=\"com.apple.streamingkeydelivery\"", "#EXTINF:1,",
            "b",
            "#EXT-X-KEY:METHOD=AES-128,URI=\"k2\"", "#EXTINF:1,", "c", "#EXT-X-KEY:METHOD=NONE", "#EXTINF:1,", "d")
        #expect(playlist.segments.map { $0.keys.map(\.uri) } == [["k1"], ["k1", "skd://x"], ["skd://x", "k2"], []])
        #expect(playlist.segments[0].keys[0].initializationVector == Array(repeating: 0, count: 15) + [1])
        #expect(playlist.segments[2].keys[1].initializationVector == nil)
        #expect(error("#EXTM3U", "#EXT-X-KEY:METHOD=AES-128")?.reason == "a key without a URI")
        #expect(error("#EXTM3U", "#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0xZZ")?.line == 2)
    }

    @Test func initSectionsDiscontinuitiesDatesAndGaps() throws {
        let playlist = try media(
            "#EXT-X-DISCONTINUITY-SEQUENCE:4", "#EXT-X-MAP:URI=\"init.mp4\",BYTERANGE=\"700@10\"",
            "#EXT-X-PROGRAM-DATE-TIME:2010-02-19T14:54:23.031+08:00", "#EXTINF:2,", "1.m4s", "#EXT-X-DISCONTINUITY",
            "#EXT-X-MAP:URI=\"ad.mp4\"", "#EXT-X-GAP", "#EXTINF:2,", "2.m4s", "#EXTINF:2,", "3.m4s")
        #expect(playlist.segments.map(\.discontinuity) == [4, 5, 5])
        #expect(playlist.segments.map { $0.map?.uri } == ["init.mp4", "ad.mp4", "ad.mp4"])
        #expect(playlist.segments[0].map?.range == 10..<710)
        #expect(playlist.segments[0].date == .milliseconds(1_266_562_463_031) && playlist.segments[1].date == nil)
        #expect(playlist.segments.map(\.isGap) == [false, true, false])
    }

    @Test func dateRangesCarrySpliceCommands() throws {
        let playlist = try media(
            "#EXT-X-DATERANGE:ID=\"ad-1\",START-DATE=\"2014-03-05T11:15:00Z\",DURATION=59.993,SCTE35-OUT=0xFC002F",
            "#EXT-X-DATERANGE:ID=\"ad-1\",END-ON-NEXT=YES,CLASS=\"ad\",SCTE35-IN=0xFC0", "#EXTINF:2,", "a.ts")
        #expect(playlist.dateRanges.map(\.id) == ["ad-1", "ad-1"])
        #expect(playlist.dateRanges[0].spliceOut == [0xFC, 0x00, 0x2F] && playlist.dateRanges[1].spliceIn == nil)
        #expect(playlist.dateRanges[0].start == .seconds(1_394_018_100))
        #expect(playlist.dateRanges[0].duration == .milliseconds(59_993) && playlist.dateRanges[1].endsOnNext)
    }

    @Test func whereItBeginsMayBeCountedFromTheEnd() throws {
        let playlist = try media("#EXT-X-START:TIME-OFFSET=-25.5,PRECISE=YES", "#EXTINF:2,", "a.ts")
        #expect(playlist.start == HLSStart(offset: .milliseconds(-25_500), isPrecise: true))
    }

    // MARK: - Multivariant playlists

    @Test func qualitiesAndRenditions() throws {
        let playlist = try multivariant(
            "#EXT-X-INDEPENDENT-SEGMENTS",
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aac\",NAME=\"English, plain\",LANGUAGE=\"en\",DEFAULT=YES,URI=\"en.m3u8\"",
            "#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"cc\",NAME=\"CC\",INSTREAM-ID=\"CC1\"",
            "#EXT-X-STREAM-INF:BANDWIDTH=1280000,AVERAGE-BANDWIDTH=1000000,CODECS=\"avc1.4d401e,mp4a.40.2\","
                + "RESOLUTION=640x360,FRAME-RATE=29.970,AUDIO=\"aac\",CLOSED-CAPTIONS=NONE", "low.m3u8",
            "#EXT-X-STREAM-INF:BANDWIDTH=2560000,PATHWAY-ID=\"b\"", "http://b/mid.m3u8",
            "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=86000,URI=\"keys.m3u8\"",
            "#EXT-X-CONTENT-STEERING:SERVER-URI=\"/steer\",PATHWAY-ID=\"b\"")
        #expect(playlist.isIndependent && playlist.variants.map(\.uri) == ["low.m3u8", "http://b/mid.m3u8"])
        let low = playlist.variants[0]
        #expect(low.bandwidth == 1_280_000 && low.averageBandwidth == 1_000_000 && low.frameRate == 29_970)
        #expect(low.codecs == ["avc1.4d401e", "mp4a.40.2"] && low.width == 640 && low.height == 360)
        #expect(low.audio == "aac" && low.closedCaptions == nil && playlist.variants[1].pathway == "b")
        #expect(playlist.renditions.map(\.name) == ["English, plain", "CC"])
        #expect(playlist.renditions[0].isDefault && playlist.renditions[0].isAutoselect)
        #expect(playlist.renditions[1].uri == nil && playlist.renditions[1].inStreamID == "CC1")
        #expect(playlist.iFrameVariants.map(\.uri) == ["keys.m3u8"])
        #expect(playlist.steering == .init(uri: "/steer", pathway: "b"))
    }

    // MARK: - Variables

    @Test func variablesStandForText() throws {
        let playlist = try media(
            "#EXT-X-DEFINE:NAME=\"host\",VALUE=\"http://a\"", "#EXT-X-DEFINE:QUERYPARAM=\"token\"",
            "#EXT-X-DEFINE:IMPORT=\"path\"", "#EXTINF:2,", "{$host}/{$path}/1.ts?t={$token}&x={y}",
            url: "http://b/m.m3u8?z=1&token=a%20b", imported: ["path": "film"])
        #expect(playlist.segments[0].uri == "http://a/film/1.ts?t=a b&x={y}")
        #expect(error("#EXTM3U", "#EXTINF:2,", "{$host}/1.ts")?.reason == "the variable host is not defined")
        #expect(error("#EXTM3U", "#EXT-X-DEFINE:IMPORT=\"x\"")?.line == 2)
        // What stands for itself many times over.
        var lines = ["#EXTM3U", "#EXT-X-DEFINE:NAME=\"a\",VALUE=\"\(String(repeating: "x", count: 60_000))\""]
        lines += ["#EXTINF:1,", "{$a}{$a}"]
        #expect(throws: HLSPlaylistError.self) { try HLSPlaylist(Array(lines.joined(separator: "\n").utf8)) }
    }

    @Test("Variables make no playlist larger than a playlist may be")
    func variablesDoNotMultiply() {
        let long = String(repeating: "x", count: 60_000)
        var lines = ["#EXTM3U", "#EXT-X-DEFINE:NAME=\"a\",VALUE=\"\(long)\""]
        for _ in 0..<1000 { lines += ["#EXTINF:1,", "{$a}"] }
        #expect(throws: HLSPlaylistError.self) { try HLSPlaylist(Array(lines.joined(separator: "\n").utf8)) }
    }

    // MARK: - What is not as it should be

    @Test func whatIsUnusualIsBorne() throws {
        let mark = try HLSPlaylist([0xEF, 0xBB, 0xBF] + Array("#EXTM3U\r\n#EXTINF:1\r\na.ts".utf8))
        guard case .media(let playlist) = mark else {
            Issue.record("no media playlist")
            return
        }
        #expect(playlist.segments.map(\.uri) == ["a.ts"])
        let odd = try media(
            "#EXT-X-PLAYLIST-TYPE:SOMETIMES", "#EXT-X-TARGETDURATION:x", "#EXTINF:,", "a.ts", "stray.ts")
        #expect(odd.kind == nil && odd.targetDuration == nil && odd.segments.map(\.uri) == ["a.ts"])
        #expect(try media().segments.isEmpty)
    }

    @Test func whatMakesNoSenseIsAnErrorWithItsLine() {
        #expect(error("", "#EXTINF:1,", "a.ts")?.line == 2)
        #expect(error("<html>")?.reason == "a playlist begins with #EXTM3U")
        #expect(
            error("#EXTM3U", "#EXTINF:1,", "a.ts", "#EXT-X-STREAM-INF:BANDWIDTH=1", "b.m3u8")?.reason.contains("in one")
                ?? false)
    }

    @Test("Every beginning of a good one is read or refused, and never more than that")
    func beginnings() {
        let text = Array(
            """
            #EXTM3U
            #EXT-X-DEFINE:NAME="a",VALUE="b"
            #EXT-X-KEY:METHOD=AES-128,URI="{$a}",IV=0x00FF
            #EXT-X-MAP:URI="i",BYTERANGE="7@3"
            #EXT-X-DATERANGE:ID="x",SCTE35-CMD=0xFC
            #EXTINF:2.5,t
            #EXT-X-BYTERANGE:5@1
            {$a}.ts
            """.utf8)
        for end in text.indices { _ = try? HLSPlaylist(Array(text[..<end])) }
    }

    @Test("A hundred thousand segments are read, and what is beyond its limits is refused")
    func limits() throws {
        var text = "#EXTM3U\n"
        for index in 0..<100_000 { text += "#EXTINF:4.0,\nsegment-\(index).ts\n" }
        guard case .media(let playlist) = try HLSPlaylist(Array(text.utf8)) else {
            Issue.record("no media playlist")
            return
        }
        #expect(playlist.segments.count == 100_000 && playlist.duration == .seconds(400_000))
        #expect(error("#EXTM3U", String(repeating: "a", count: HLSLimits.line + 1))?.line == 2)
        let huge = Array(repeating: UInt8(ascii: "\n"), count: HLSLimits.bytes + 1)
        #expect(throws: HLSPlaylistError.self) { try HLSPlaylist(huge) }
    }
}
