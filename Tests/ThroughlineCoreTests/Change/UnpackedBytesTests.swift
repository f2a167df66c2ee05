internal import Testing
internal import ThroughlineCore

/// What a container adds is not waited for; what a fragment holds is.
@Suite struct UnpackedBytesTests {
    @Test("What a container adds does not add up", arguments: [0, 30, 69])
    func overhead(percent: Int) {
        var bytes = UnpackedBytes()
        for turn in 0..<2000 {
            bytes.received(1000, unpacked: 10 * percent, inOrder: true)
            if turn > 40 { #expect(bytes.count <= 1500) }
        }
    }

    @Test("A large picture waits, whatever sound is made between its parts", arguments: [0, 30])
    func largePictures(percent: Int) {
        var bytes = UnpackedBytes()
        let share = 100 - percent
        var wrong: [Int] = []
        for turn in 0..<200 {
            for part in 1...20 {
                // 250 bytes of the picture, and a sound of 50.
                bytes.received(300, unpacked: 300 - share / 2, inOrder: true)
                let waiting = part * 250 * share / 100
                if turn > 20, abs(bytes.count - waiting) > 900 { wrong.append(bytes.count - waiting) }
            }
            bytes.received(0, unpacked: -50 * share, inOrder: true)
            if turn > 20, bytes.count > 900 { wrong.append(bytes.count) }
        }
        #expect(wrong.isEmpty)
    }

    @Test("A fragment waits until media is made of it")
    func fragments() {
        var bytes = UnpackedBytes()
        for fragment in 0..<20 {
            // 30 kB of pictures come, then sound, with each piece of which some of the pictures are given, too.
            for _ in 0..<30 { bytes.received(1000, unpacked: 1000, inOrder: false) }
            #expect((28_000...31_000).contains(bytes.count), "\(fragment): \(bytes.count)")
            for piece in 1...20 {
                bytes.received(100, unpacked: 100 - 1550, inOrder: false)
                let waiting = 30_000 - piece * 1450
                #expect(bytes.count <= waiting + 1000 && bytes.count >= waiting - 8000, "\(piece): \(bytes.count)")
            }
        }
    }

    @Test("Nothing traps")
    func absurd() {
        var bytes = UnpackedBytes()
        for (received, unpacked) in [(0, 0), (-5, 3), (.max, .min), (0, .max), (1 << 20, 1 << 20), (.min, -7)] {
            for inOrder in [true, false] {
                bytes.received(received, unpacked: unpacked, inOrder: inOrder)
                #expect(bytes.count >= 0)
            }
        }
        bytes.restart()
        #expect(bytes.count == 0)
    }
}
