internal import Testing
internal import ThroughlineCore

/// Where pictures of one encode stand among those of another.
@Suite struct PicturePlaceTests {
    /// A background with a bright square that goes to and fro, one cell a picture.
    private func picture(_ number: Int, noise: Int = 0, moves: Bool = true, gain: Float = 1) -> [Float] {
        var grid: [Float] = (0..<160).map { cell in Float(cell * 7 % 90) * gain + 20 }
        var seed = UInt64(number + 1) &* 0x9E37_79B9_7F4A_7C15
        for cell in grid.indices where noise > 0 {
            seed = seed &* 6_364_136_223_846_793_005 &+ 1
            grid[cell] += Float(seed >> 60) / 16 * Float(noise)
        }
        if moves {
            let place = number * number / 9 % 160
            for cell in [place, (place + 1) % 160, (place + 16) % 160] { grid[cell] = 200 * gain }
        }
        return grid
    }

    private func finding(
        received: [Int], other: Range<Int>, shift: Int = 0, noise: Int = 2, moves: Bool = true, gain: Float = 1
    ) -> PicturePlace.Finding {
        var place = PicturePlace()
        for number in received {
            place.wasReceived(picture(number, moves: moves), at: .milliseconds(Int64(number) * 40))
        }
        for number in other {
            place.wasShown(
                picture(number, noise: noise, moves: moves, gain: gain),
                at: .milliseconds(Int64(number + shift) * 40))
        }
        return place.finding()
    }

    @Test(arguments: [1, 0.7] as [Float])
    func thePlaceIsWhereItFitsBest(_ gain: Float) {
        guard case .here(let likeness) = finding(received: [50, 54, 58, 62], other: 30..<100, gain: gain) else {
            Issue.record("\(finding(received: [50, 54, 58, 62], other: 30..<100, gain: gain))")
            return
        }
        #expect(likeness > 0.9)
    }

    @Test(arguments: [5, -5, 12, -12, 33, -33])
    func anotherPlaceIsFound(_ shift: Int) {
        let found = finding(received: [50, 54, 58, 62], other: 0..<120, shift: shift)
        guard case .elsewhere(let by, _) = found else {
            Issue.record("\(found)")
            return
        }
        #expect(by == .milliseconds(Int64(-shift) * 40))
    }

    @Test func oneMomentIsEnoughWherePicturesMove() {
        guard case .here = finding(received: [50], other: 40..<80) else {
            Issue.record("\(finding(received: [50], other: 40..<80))")
            return
        }
    }

    @Test func aMomentThatWasNotSeenIsNotFound() {
        switch finding(received: [150, 154, 158], other: 0..<130, shift: 40) {
        case .nowhere, .untold: break
        case let other: Issue.record("\(other)")
        }
    }

    @Test(arguments: [0, 3, 40])
    func stillPicturesTellNoPlace(_ shift: Int) {
        guard case .untold = finding(received: [50, 54], other: 0..<120, shift: shift, moves: false) else {
            Issue.record("\(finding(received: [50, 54], other: 0..<120, shift: shift, moves: false))")
            return
        }
    }

    @Test func whatGoesRoundTellsNoPlace() {
        var place = PicturePlace()
        for number in [50, 53] { place.wasReceived(picture(number % 8 * 3), at: .milliseconds(Int64(number) * 40)) }
        for number in 0..<120 {
            place.wasShown(picture(number % 8 * 3, noise: 2), at: .milliseconds(Int64(number) * 40))
        }
        guard case .untold = place.finding() else {
            Issue.record("\(place.finding())")
            return
        }
    }

    @Test func otherPicturesAreDifferent() {
        var place = PicturePlace()
        place.wasReceived(picture(50), at: .seconds(2))
        for number in 0..<100 {
            place.wasShown((0..<160).map { Float(($0 * 37 + number) % 200) }, at: .milliseconds(Int64(number) * 40))
        }
        guard case .different = place.finding() else {
            Issue.record("\(place.finding())")
            return
        }
    }

    @Test func plainPicturesTellNothing() {
        var place = PicturePlace()
        for number in 0..<20 {
            place.wasReceived([Float](repeating: 16, count: 160), at: .milliseconds(Int64(number) * 40))
            place.wasShown([Float](repeating: 16, count: 160), at: .milliseconds(Int64(number) * 40))
        }
        #expect(place.finding() == .inconclusive("the pictures are too plain to compare"))
        #expect(PicturePlace().finding() == .inconclusive("no picture was at hand to compare"))
    }
}
