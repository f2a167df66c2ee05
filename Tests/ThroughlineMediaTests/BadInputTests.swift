internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia

extension MediaTests {
    @Suite struct BadInputTests {
        @Test(arguments: ["empty.mp4", "page.html"])
        func whatIsNotMediaIsSaidToBe(_ name: String) throws {
            let bytes = try Fixture.bytes(name)
            #expect {
                _ = try Demuxer(input: MemoryInput(bytes))
            } throws: { error in
                (error as? MediaError)?.isNotMedia == true || bytes.isEmpty
            }
        }

        @Test func aFileWithoutItsIndexIsAnError() throws {
            #expect(throws: MediaError.self) { _ = try Demuxer.opening("truncated.mp4") }
        }

        @Test func damageIsReadOver() throws {
            let whole = try Demuxer.opening("main.ts").records()
            let records = try Demuxer.opening("corrupt.ts").records()
            #expect(records.count > whole.count * 9 / 10)
            // Behind the damage everything is as it was.
            #expect(records.suffix(400).map(\.payload) == whole.suffix(400).map(\.payload))
        }

        @Test(arguments: ["main.ts", "main-faststart.mp4", "main.mkv", "main-fragmented.mp4", "audio.mp3", "audio.aac"])
        func randomDamageEnds(_ name: String) throws {
            let bytes = try Fixture.bytes(name)
            var random = SeededGenerator(seed: 5)
            for _ in 0..<25 {
                var damaged = bytes
                for _ in 0..<Int.random(in: 1...2000, using: &random) {
                    damaged[Int.random(in: 0..<damaged.count, using: &random)] = UInt8.random(
                        in: 0...255, using: &random)
                }
                if random.next() % 3 == 0 { damaged.removeLast(.random(in: 0..<damaged.count, using: &random)) }
                guard let demuxer = try? Demuxer(input: MemoryInput(damaged)) else { continue }
                for record in demuxer.records(limit: 5000) { #expect(record.flow < demuxer.flows.count) }
            }
        }

        @Test func noiseIsNotMedia() throws {
            var random = SeededGenerator(seed: 6)
            for size in [1, 188, 4096, 100_000] {
                let noise = (0..<size).map { _ in UInt8.random(in: 0...255, using: &random) }
                if let demuxer = try? Demuxer(input: MemoryInput(noise)) { _ = demuxer.records(limit: 1000) }
            }
        }

        // MARK: - A connection that breaks

        /// However early the bytes end in a failure: what was handed out before is what the whole file holds.
        @Test(arguments: [
            "main.ts", "main-faststart.mp4", "main.mp4", "main-fragmented.mp4", "main.mkv", "opengop.ts", "hevc.ts",
            "audio.mp3", "audio.aac", "subs.mkv", "vfr.mp4",
        ])
        func anAccessUnitCutInHalfIsNeverPassedOn(_ name: String) throws {
            let bytes = try Fixture.bytes(name)
            let whole = try Demuxer.opening(name).records()
            // A prime, so that breaks fall everywhere in packets of 188 bytes, in frames and in boxes.
            let step = max(61, bytes.count / 331)
            var opened = 0
            var packets = 0
            for place in stride(from: 1, to: bytes.count, by: step) {
                let input = MemoryInput(bytes)
                input.failsAfter = place
                input.chunk = 1316
                guard let demuxer = try? Demuxer(input: input) else {
                    #expect(input.failures > 0, "\(name) at \(place)")
                    continue
                }
                opened += 1
                let records = demuxer.records()
                #expect(demuxer.inputFailed)
                #expect(input.failures == 1, "a failed input is not asked again")
                packets += records.count
                let isPrefix = records.elementsEqual(whole.prefix(records.count))
                guard isPrefix else {
                    let first = records.indices.first { records[$0] != whole[$0] } ?? 0
                    let (a, b) = (records[first], whole[first])
                    Issue.record(
                        """
                        \(name) broken at \(place): packet \(first) of \(records.count) of flow \(a.flow)/\(b.flow) \
                        at \(a.pts?.milliseconds ?? -1)/\(b.pts?.milliseconds ?? -1) ms \
                        has \(a.payload.count) bytes, not \(b.payload.count)
                        """)
                    continue
                }
            }
            #expect(opened > 50)
            #expect(packets > whole.count)
        }

        /// Every single byte of a short stretch.
        @Test(arguments: ["main.ts", "main.mkv", "main-faststart.mp4", "audio.aac", "audio.mp3"])
        func everyByteOfAStretch(_ name: String) throws {
            let bytes = try Fixture.bytes(name)
            let whole = try Demuxer.opening(name).records()
            let place = bytes.count / 2
            for place in place..<place + 200 {
                let input = MemoryInput(bytes)
                input.failsAfter = place
                input.chunk = 1316
                let records = try Demuxer(input: input).records()
                #expect(records.elementsEqual(whole.prefix(records.count)), "\(name) at \(place)")
            }
        }
    }
}
