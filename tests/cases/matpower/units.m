function grid = units
%UNITS  Five buses, two voltages: every way of writing that the reader of MATPOWER cases knows.
%{
grid.bus = [ 99 ];   a block comment
%}
grid.version = '2';
grid.baseMVA = 10 / 2;	% MVA
grid.bus = [
	1  3  0    0    0  0  1  1  0  20   1  1.1  0.9
	2, 1, 600, 0,   0  0  1  1  0  10   1  1.1  0.9   % kVA
	3  1  400  0 ...
	   0  0  1  1  0  10  1  1.1  0.9; 4  2  0  0  0  0  1  1  0  10  1  1.1  0.9
	12 1  -100 0    0  0.05  1  1  0  10   1  1.1  0.9
];
grid.gen = [1 0 0 9 -9 1.02 10 1 9 0; 4 0.3 0 9 -9 1 10 1 1 0];
grid.branch = [
	1  2   0.004  0.03  0  8  0  0  1.025  0  1
	2  3   0.5    0.25  0  6  0  0  0      0  1
	3  4   0.5    0.25  0  0  0  0  0      0  1
	2  12  0.5    0.25  0  0  0  0  0      0  1
	4  12  0.5    0.25  0  0  0  0  0      0  0
];
grid.bus_name = {'Substation'; 'North; 50 % of it'; 'East'; 'Hydro''s'; 'South'};
grid.areas = some_function(grid.bus);
grid.gencost = [];

define_constants;
[F_BUS, T_BUS, BR_R, BR_X] = idx_brch;
% ohm to per unit, on the 10 kV side only
zbase = grid.bus(end, BASE_KV)^2 / grid.baseMVA;
grid.branch(2:end, [BR_R BR_X]) = grid.branch(2:end, BR_R:BR_X) ./ zbase;
% kVA to MW and Mvar
pf = 0.8; kilo = 1e3;
grid.bus(:, QD) = grid.bus(:, PD) * sin(acos(pf)) / kilo;
grid.bus(:, PD) = -grid.bus(:, PD) * -pf / kilo;
grid.bus([2 3], [PD, QD]) = 1.5 * grid.bus([2 3], [PD, QD]) - [0 0; 0 0.05];
