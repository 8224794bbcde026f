function mpc = everything
%EVERYTHING  A made-up case with one of each thing that a version 2 file can say.
mpc.version = '2'; mpc.baseMVA = 50;   % two statements in a line

%{
mpc.bus = [ 1 2 3 ];  a comment of several lines
%}
mpc.bus = [	% commas, semicolons and new lines end numbers and rows
	10	3	0	0	0	0	1	1.02	0	110	1	1.06	0.94;
	7,	2,	20,	-5,	1.5,	-4,	1,	1,	0,	110,	1,	1.1,	0.9
	3	1	-8	2.5	0	19	1	1	0	20	1	1.1	0.9; 4	1	30	10	0	0	1	1	0 ...
	20	1	1.05	.95
	5	4	0	0	0	0	1	1	0	0	1	1.1	0.9;
];
mpc.bus_name = {'Nordkreuz'; 'It''s 100% [a name]'; 'c'; 'd'; 'off'};
mpc.gen = [
	10	0	0	Inf	-Inf	1.02	50	1	1e10	-1e10;
	7	10	0	15	-10	1.0	50	1	60	12;
	7	0	0	25	-25	1.0	50	1	0	0;	% a synchronous condenser
	4	-5	0	0	0	1.0	50	1	0	-9;	% a dispatchable load
	3	5	0	9	-9	0	50	0	4	9;	% out of service: its limits don't matter
];
mpc.branch = [
	10	7	0.01	0.08	0.03	9900	0	0	0	0	1	-30	30;
	7	10	0.01	0.08	0.03	0	0	0	1	0	1	0	0;
	10	3	0	0.12	0.02	80	0	0	0	0	1	-360	360;
	7	3	0.002	0.1	0.05	75	0	0	0.97	-3.5	1	0	15;
	3	4	0.02	-0.03	-0.01	40	0	0	0	0	1	-45	0;
	4	3	0.02	-0.3	0.04	40	0	0	1.04	30	0	-45	0;
	4	5	0.05	0.01	0	0	0	0	0	0	0	-45	45;
	7	4	-0.01	0.2	-0.06	99.999	0	0	1.02	0	1	-45	45;
];
mpc.gencost = [
	2	0	0	4	1D-3	0.02	15	100	0	0;
	1	0	0	3	12	300	30	660	60	1500;
	2	0	0	1	0	0	0	0	0	0;
	1	0	0	2	-9	-450	0	-10	0	0;
	2	0	0	2	7	50	0	0	0	0;
	2	0	0	2	0	0	0	0	0	0;
	2	0	0	1	0	0	0	0	0	0;
	2	0	0	1	0	0	0	0	0	0;
	2	0	0	1	0	0	0	0	0	0;
	2	0	0	1	0	0	0	0	0	0;
];
mpc.dcline = [
	10	3	0	1	1	1	1	1	1	1	1	1	1	1	1	1	1;
];
